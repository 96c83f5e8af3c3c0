using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Lapidary.Tests.Load;

/// <summary>A server that answers every chat the same way and remembers what it was asked.</summary>
internal sealed class ScriptedServer : IDisposable
{
    private readonly HttpListener listener = new();
    private readonly Func<int, IEnumerable<string>> events; // of the nth stream
    private int streams, running;

    /// <param name="events">Data of the events of the nth stream; without [DONE] it breaks off.</param>
    public ScriptedServer(Func<int, IEnumerable<string>> events)
    {
        this.events = events;
        Address = Start();
        _ = Listen();
    }

    // HttpListener cannot choose a free port: one is found first, and another if that one is taken in between.
    private Uri Start()
    {
        while (true)
        {
            using TcpListener free = new(IPAddress.Loopback, 0);
            free.Start();
            Uri address = new($"http://127.0.0.1:{((IPEndPoint)free.LocalEndpoint).Port}");
            free.Stop();
            listener.Prefixes.Add(address + "");
            try
            {
                listener.Start();
                return address;
            }
            catch (HttpListenerException)
            {
                listener.Prefixes.Clear();
            }
        }
    }

    public Uri Address { get; }

    /// <summary>The status of streams; 200 unless set.</summary>
    public int Status { get; init; } = 200;

    /// <summary>Done when anything may be answered.</summary>
    public Task Open { get; init; } = Task.CompletedTask;

    /// <summary>Events of all streams that have been sent.</summary>
    public int Sent { get; private set; }

    public bool TellsUsage { get; init; } = true;

    public List<JsonElement> Bodies { get; } = [];

    public int MostAtATime { get; private set; }

    /// <summary>An event of a chat's stream.</summary>
    public static string Chunk(string content) => JsonSerializer.Serialize(new { choices = new[] { new { index = 0, delta = new { content } } } });

    public static string Usage(int prompt, int completion)
        => JsonSerializer.Serialize(new { choices = Array.Empty<object>(), usage = new { prompt_tokens = prompt, completion_tokens = completion } });

    public void Dispose() => listener.Close();

    private async Task Listen()
    {
        try
        {
            while (true) _ = Answer(await listener.GetContextAsync());
        }
        catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException)
        {
            // Closed.
        }
    }

    private async Task Answer(HttpListenerContext context)
    {
        using StreamReader reader = new(context.Request.InputStream);
        string text = await reader.ReadToEndAsync();
        if (text.Length == 0)
        {
            await Open;
            await Write(context, """{"data":[{"id":"scripted"}]}""");
            return;
        }
        JsonElement body = JsonDocument.Parse(text).RootElement;
        if (!body.GetProperty("stream").GetBoolean())
        {
            string prompt = body.TryGetProperty("messages", out JsonElement messages) ? messages[0].GetProperty("content").GetString()! : body.GetProperty("prompt").GetString()!;
            await Write(context, TellsUsage ? $$$"""{"usage":{"prompt_tokens":{{{2 * prompt.Split(' ').Length + 5}}}}}""" : "{}");
            return;
        }
        int index;
        lock (Bodies)
        {
            Bodies.Add(body);
            index = streams++;
            MostAtATime = Math.Max(MostAtATime, ++running);
        }
        await Open;
        if (Status != 200)
        {
            context.Response.StatusCode = Status;
            await Write(context, """{"error":{"message":"no more today"}}""");
            lock (Bodies) running--;
        }
        else
        {
            context.Response.ContentType = "text/event-stream";
            context.Response.SendChunked = true;
            using IEnumerator<string> next = events(index).GetEnumerator();
            for (bool isThere = next.MoveNext(); isThere; Sent++)
            {
                string data = next.Current;
                isThere = next.MoveNext();
                if (!isThere) lock (Bodies) running--; // the client may ask again as soon as it has read the last one
                await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes($"data: {data}\n\n"));
                await context.Response.OutputStream.FlushAsync();
                await Task.Delay(1);
            }
        }
        context.Response.Close();
    }

    private static async Task Write(HttpListenerContext context, string json)
    {
        await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(json));
        if (context.Response.StatusCode == 200) context.Response.Close();
    }
}
