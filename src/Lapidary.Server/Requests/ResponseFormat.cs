using Lapidary.Server.Errors;

namespace Lapidary.Server.Requests;

/// <summary>response_format: text, or a clear no.</summary>
internal static class ResponseFormat
{
    public static void RequireText(Fields body, string name)
    {
        if (body.Object(name) is not { } format) return;
        string type = format.RequiredText("type");
        switch (type)
        {
            case "text":
                format.Done();
                return;
            case "json_schema" or "json_object" or "structural_tag" or "grammar":
                throw new ApiException(StatusCodes.Status400BadRequest, $"{body.At(name)} of type {type} is not supported: constrained output is not implemented; ask for the form in a message") { Param = body.At(name), Code = "unsupported_parameter" };
            default:
                throw ApiException.Invalid(format.At("type"), $"{format.At("type")} is {MessageText.Quote(type)}, expected text");
        }
    }
}
