namespace Lapidary.Server.Errors;

/// <summary>The body of every error, as OpenAI clients read it: <c>{"error": {"message", "type", "param", "code"}}</c>.</summary>
internal sealed record ErrorBody(ErrorDetail Error)
{
    public static ErrorBody Of(ApiException error) => new(new ErrorDetail(error.Message, error.Type, error.Param, error.Code));
}

internal sealed record ErrorDetail(string Message, string Type, string? Param, string? Code);
