using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Lapidary.Server.Streaming;

/// <summary>
/// Server-sent events. Events gather in the response's buffer until <see cref="FlushAsync"/>; a client that does not take
/// them within the write timeout is cut off.
/// </summary>
internal sealed class SseWriter(HttpContext context, TimeSpan writeTimeout) : IDisposable
{
    private readonly PipeWriter output = context.Response.BodyWriter;
    private readonly Utf8JsonWriter json = new(Stream.Null, JsonResponse.WriterOptions);

    public bool HasStarted { get; private set; }

    /// <summary>data: VALUE</summary>
    public void Event<T>(T value, JsonTypeInfo<T> type)
    {
        Start();
        output.Write("data: "u8);
        Json(value, type);
        output.Write("\n\n"u8);
    }

    /// <summary>event: NAME, data: VALUE</summary>
    public void Event<T>(string name, T value, JsonTypeInfo<T> type)
    {
        Start();
        output.Write("event: "u8);
        Encoding.ASCII.GetBytes(name, output);
        output.Write("\n"u8);
        Event(value, type);
    }

    /// <summary>A comment, which clients skip, for whoever closes connections on which nothing comes.</summary>
    public void KeepAlive()
    {
        Start();
        output.Write(": keep-alive\n\n"u8);
    }

    /// <summary>OpenAI's mark of a stream's end.</summary>
    public void Done() => output.Write("data: [DONE]\n\n"u8);

    /// <exception cref="OperationCanceledException">The client is gone, or did not read.</exception>
    public async ValueTask FlushAsync()
    {
        if (!HasStarted) return; // an error may still be a plain one
        ValueTask<FlushResult> flush = output.FlushAsync(context.RequestAborted);
        FlushResult result = flush.IsCompletedSuccessfully ? flush.Result : await WithinTimeout(flush.AsTask());
        if (result.IsCompleted) throw new OperationCanceledException("the client has closed its connection", context.RequestAborted);
    }

    private async Task<FlushResult> WithinTimeout(Task<FlushResult> flush)
    {
        try
        {
            return await flush.WaitAsync(writeTimeout, context.RequestAborted);
        }
        catch (TimeoutException)
        {
            context.Abort();
            throw new OperationCanceledException("the client did not read in time", context.RequestAborted);
        }
    }

    public void Dispose() => json.Dispose();

    private void Start()
    {
        if (HasStarted) return;
        HasStarted = true;
        HttpResponse response = context.Response;
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        response.Headers["X-Accel-Buffering"] = "no"; // proxies like nginx would gather the events
    }

    private void Json<T>(T value, JsonTypeInfo<T> type)
    {
        json.Reset(output);
        JsonSerializer.Serialize(json, value, type);
        json.Flush();
    }
}
