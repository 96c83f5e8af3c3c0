using Lapidary.Server.Operations;

namespace Lapidary.Server.Errors;

/// <summary>No error leaves without a body: exceptions and bare statuses become <see cref="ErrorBody"/>.</summary>
internal sealed partial class ErrorMiddleware(RequestDelegate next, FailureLog failures, ILogger<ErrorMiddleware> log)
{
    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested || context.Response.HasStarted)
        {
            Disconnected(RequestId.Of(context));
            return;
        }
        catch (Exception exception)
        {
            ApiException error = ApiException.From(exception);
            failures.Log(RequestId.Of(context), exception);
            if (context.Response.HasStarted)
            {
                context.Abort(); // half a body: closing the connection is the only way left to say so
                return;
            }
            await ErrorResponse.WriteAsync(context, error);
            return;
        }
        if (context.Response is { StatusCode: >= StatusCodes.Status400BadRequest, HasStarted: false })
            await ErrorResponse.WriteAsync(context, ApiException.OfStatus(context, context.Response.StatusCode));
    }

    [LoggerMessage(LogLevel.Information, "request {RequestId}: the client left")]
    private partial void Disconnected(string requestId);
}
