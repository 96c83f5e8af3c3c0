using System.Globalization;
using Lapidary.Server.Operations;

namespace Lapidary.Server.Errors;

/// <summary>Writes an error as the whole response.</summary>
internal static class ErrorResponse
{
    public static Task WriteAsync(HttpContext context, ApiException error)
    {
        HttpResponse response = context.Response;
        response.StatusCode = error.Status;
        if (error.RetryAfter is { } wait)
            response.Headers.RetryAfter = Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        if (error.Status == StatusCodes.Status401Unauthorized) response.Headers.WWWAuthenticate = "Bearer";
        bool anthropic = context.Request.Path.StartsWithSegments("/v1/messages", StringComparison.Ordinal);
        return response.WriteJsonAsync(anthropic ? ErrorBody.ForAnthropic(error, RequestId.Of(context)) : ErrorBody.Of(error), ServerJson.Default.ErrorBody);
    }
}
