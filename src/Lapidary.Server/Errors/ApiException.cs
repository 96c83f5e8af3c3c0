namespace Lapidary.Server.Errors;

/// <summary>Ends a request with an error body. <see cref="Exception.Message"/> is for the client, in OpenAI's words where it has any.</summary>
internal sealed class ApiException(int status, string message) : LapidaryException(message)
{
    /// <summary>Parameters of sampling that are no integers.</summary>
    private static readonly string[] Decimals = ["temperature", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"];

    public int Status { get; } = status;

    /// <summary>OpenAI's class of error, e.g. invalid_request_error.</summary>
    public string Type { get; init; } = "invalid_request_error";

    /// <summary>The parameter at fault, with its place: <c>messages[0].content</c>.</summary>
    public string? Param { get; init; }

    /// <summary>A word for programs, e.g. model_not_found.</summary>
    public string? Code { get; init; }

    /// <summary>When to come back, for 429 and 503.</summary>
    public TimeSpan? RetryAfter { get; init; }

    public static ApiException Invalid(string param, string message) => new(StatusCodes.Status400BadRequest, message) { Param = param, Code = "invalid_value" };

    /// <summary>With OpenAI's code for a number beyond an end of its range.</summary>
    public static ApiException OutOfRange(string param, string message, NumberKind kind, Bound exceeded) => new(StatusCodes.Status400BadRequest, message)
    {
        Param = param,
        Code = $"{(kind == NumberKind.Integer ? "integer" : "decimal")}_{(exceeded == Bound.Minimum ? "below_min" : "above_max")}_value",
    };

    public static ApiException ModelNotFound(string name) => new(StatusCodes.Status404NotFound, $"The model {MessageText.Quote(name)} does not exist; GET /v1/models lists those that do.")
    {
        Param = "model",
        Code = "model_not_found",
    };

    public static ApiException ContextExceeded(string param, string message)
        => new(StatusCodes.Status400BadRequest, message) { Param = param, Code = "context_length_exceeded" };

    public static ApiException Unavailable(string code, string message, TimeSpan retryAfter)
        => new(StatusCodes.Status503ServiceUnavailable, message) { Type = "service_unavailable_error", Code = code, RetryAfter = retryAfter };

    /// <summary>What the client is told of any exception; of a defect only that there was one.</summary>
    public static ApiException From(Exception exception) => exception switch
    {
        ApiException known => known,
        ParameterException { Exceeded: { } bound } parameter => OutOfRange(parameter.Parameter, parameter.Message, Decimals.Contains(parameter.Parameter) ? NumberKind.Decimal : NumberKind.Integer, bound),
        ParameterException parameter => Invalid(parameter.Parameter, parameter.Message),
        ContextOverflowException overflow => ContextExceeded("prompt", overflow.Message),
        AdapterException gone => new ApiException(StatusCodes.Status404NotFound, gone.Message) { Param = "model", Code = "model_not_found" }, // dropped since the name was looked up
        NothingToChooseException nothing => new ApiException(StatusCodes.Status400BadRequest, nothing.Message) { Code = "no_token_left" },
        RequestException request => new ApiException(StatusCodes.Status400BadRequest, request.Message),
        QueueFullException full => Unavailable("queue_full", full.Message, TimeSpan.FromSeconds(1)),
        EngineUnavailableException unavailable => Unavailable("engine_unavailable", unavailable.Message, TimeSpan.FromSeconds(5)),
        DeadlineException deadline => new ApiException(StatusCodes.Status504GatewayTimeout, deadline.Message) { Type = "timeout_error", Code = "request_timeout" },
        GenerationException or LogitsException or SlowReaderException => new ApiException(StatusCodes.Status500InternalServerError, exception.Message) { Type = "server_error", Code = "generation_failed" },
        TemplateException template => new ApiException(StatusCodes.Status400BadRequest, $"The chat template refuses the request: {template.Message}") { Param = "messages" },
        TokenizerException tokenizer => new ApiException(StatusCodes.Status400BadRequest, tokenizer.Message),
        BadHttpRequestException http => OfRefusal(http.StatusCode, MessageText.OneLine(http.Message)),
        _ => new ApiException(StatusCodes.Status500InternalServerError, "The server failed to answer; its log has the details under this request id.") { Type = "server_error", Code = "internal_error" },
    };

    /// <summary>What the client is told of a request that HTTP itself does not allow.</summary>
    private static ApiException OfRefusal(int status, string reason) => status switch
    {
        StatusCodes.Status408RequestTimeout => new ApiException(status, "The request did not arrive in time.") { Type = "timeout_error", Code = "request_timeout" },
        StatusCodes.Status413PayloadTooLarge => new ApiException(status, "The request body is too large.") { Code = "request_too_large" },
        StatusCodes.Status414UriTooLong => new ApiException(status, "The request line is too long.") { Code = "uri_too_long" },
        StatusCodes.Status431RequestHeaderFieldsTooLarge => new ApiException(status, $"The request headers are too large: {reason}") { Code = "headers_too_large" },
        StatusCodes.Status505HttpVersionNotsupported => new ApiException(status, "The version of HTTP is not supported, expected HTTP/1.1.") { Code = "http_version_not_supported" },
        _ => new ApiException(status, $"The HTTP request is malformed: {reason}") { Code = "malformed_request" },
    };

    /// <summary>What the client is told where only a status is known.</summary>
    public static ApiException OfStatus(HttpContext context, int status) => status switch
    {
        StatusCodes.Status404NotFound => new ApiException(status, $"There is no {context.Request.Method} {MessageText.Quote(context.Request.Path.Value ?? "")}; GET /openapi.json lists every route.") { Code = "unknown_url" },
        StatusCodes.Status405MethodNotAllowed => new ApiException(status, $"{MessageText.Quote(context.Request.Path.Value ?? "")} does not take {context.Request.Method}, only {context.Response.Headers.Allow}.") { Code = "method_not_allowed" },
        _ => new ApiException(status, $"The request failed with status {status}."),
    };
}

/// <summary>What kind of number a parameter takes.</summary>
internal enum NumberKind
{
    Integer,
    Decimal,
}
