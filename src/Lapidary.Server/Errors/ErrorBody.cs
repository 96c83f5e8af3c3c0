using System.Text.Json.Serialization;

namespace Lapidary.Server.Errors;

/// <summary>
/// The body of every error, as OpenAI clients read it: <c>{"error": {"message", "type", "param", "code"}}</c>. Anthropic's
/// clients find type "error" beside it.
/// </summary>
internal sealed record ErrorBody(ErrorDetail Error)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Type { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? RequestId { get; init; }

    public static ErrorBody Of(ApiException error) => new(new ErrorDetail(error.Message, error.Type, error.Param, error.Code));

    /// <summary>With Anthropic's words for the class of error.</summary>
    public static ErrorBody ForAnthropic(ApiException error, string requestId) => new(new ErrorDetail(error.Message, AnthropicType(error.Status), error.Param, error.Code))
    {
        Type = "error",
        RequestId = requestId,
    };

    private static string AnthropicType(int status) => status switch
    {
        StatusCodes.Status401Unauthorized => "authentication_error",
        StatusCodes.Status404NotFound => "not_found_error",
        StatusCodes.Status413PayloadTooLarge => "request_too_large",
        StatusCodes.Status429TooManyRequests => "rate_limit_error",
        StatusCodes.Status503ServiceUnavailable => "overloaded_error",
        StatusCodes.Status504GatewayTimeout => "timeout_error",
        >= StatusCodes.Status500InternalServerError => "api_error",
        _ => "invalid_request_error",
    };
}

internal sealed record ErrorDetail(string Message, string Type, string? Param, string? Code);
