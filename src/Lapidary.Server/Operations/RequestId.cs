namespace Lapidary.Server.Operations;

/// <summary>X-Request-Id: the client's when it is plain, else a new one. It is in every response and every log line.</summary>
internal static class RequestId
{
    public const string Header = "X-Request-Id";
    private const string AnthropicHeader = "request-id";
    private const int Longest = 128;
    private static readonly object Key = new();

    public static Task Assign(HttpContext context, RequestDelegate next)
    {
        string given = context.Request.Headers[Header].ToString();
        context.Items[Key] = IsPlain(given) ? given : New();
        context.Response.Headers[Header] = Of(context);
        if (context.Request.Path.StartsWithSegments("/v1/messages", StringComparison.Ordinal)) context.Response.Headers[AnthropicHeader] = Of(context); // where its clients look
        return next(context);
    }

    public static string New() => Guid.NewGuid().ToString("N");

    public static string Of(HttpContext context) => (string)context.Items[Key]!;

    /// <summary>Letters, digits and the marks of common id formats: nothing that could forge a line of the log.</summary>
    private static bool IsPlain(string id)
        => id.Length is > 0 and <= Longest && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or ':' or '/' or '=' or '+');
}
