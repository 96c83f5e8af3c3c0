using System.Diagnostics;

namespace Lapidary.Server.Operations;

/// <summary>One log line for each request. What the client wrote is quoted, so that it cannot forge lines.</summary>
internal sealed partial class AccessLog(RequestDelegate next, ILogger<AccessLog> log)
{
    public async Task InvokeAsync(HttpContext context)
    {
        Arrival.Note(context);
        await next(context);
        LogLevel level = context.GetEndpoint()?.Metadata.GetMetadata<Probe>() is null ? LogLevel.Information : LogLevel.Debug;
        if (!log.IsEnabled(level)) return;
        string method = MessageText.Quote(context.Request.Method), path = MessageText.Quote(context.Request.Path.Value ?? ""), id = RequestId.Of(context);
        double milliseconds = Stopwatch.GetElapsedTime(Arrival.Of(context)).TotalMilliseconds;
        int status = context.Response.StatusCode;
        Served(level, method, path, status, milliseconds, id);
    }

    [LoggerMessage("{Method} {Path} {Status} in {Milliseconds:0} ms, request {RequestId}")]
    private partial void Served(LogLevel level, string method, string path, int status, double milliseconds, string requestId);
}

/// <summary>Marks a route that probes and scrapers call all the time.</summary>
internal sealed record Probe;
