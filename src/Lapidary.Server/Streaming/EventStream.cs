using Lapidary.Server.Errors;
using Lapidary.Server.Operations;

namespace Lapidary.Server.Streaming;

/// <summary>A streamed answer in OpenAI's form: what fails before the first event is a plain error, what fails later an error event.</summary>
internal static class EventStream
{
    public static async Task WriteAsync(HttpContext context, ApiServices api, Func<SseWriter, Task> write)
    {
        using SseWriter sse = new(context, api.Options.WriteTimeout);
        try
        {
            await write(sse);
        }
        catch (Exception exception) when (sse.HasStarted && exception is not OperationCanceledException)
        {
            api.Failures.Log(RequestId.Of(context), exception);
            sse.Event(ErrorBody.Of(ApiException.From(exception)), ServerJson.Default.ErrorBody);
            sse.Done();
            await sse.FlushAsync();
        }
    }
}
