namespace Lapidary.Server.Errors;

/// <summary>Logs what the server is to blame for; the client only gets the request id.</summary>
internal sealed partial class FailureLog(ILogger<FailureLog> log)
{
    public void Log(string requestId, Exception exception)
    {
        if (exception is ApiException) return;
        if (ApiException.From(exception).Status >= StatusCodes.Status500InternalServerError) Failed(requestId, exception);
    }

    [LoggerMessage(LogLevel.Error, "request {RequestId} failed")]
    private partial void Failed(string requestId, Exception exception);
}
