using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;

namespace Lapidary.Cli.Load;

/// <summary>Talks to a server of OpenAI's API and times its streams.</summary>
internal sealed class LoadClient : IDisposable
{
    private readonly HttpClient http;
    private readonly LoadPlan plan;
    private readonly TimeProvider time;

    public LoadClient(LoadPlan plan, TimeProvider? time = null)
    {
        this.plan = plan;
        this.time = time ?? TimeProvider.System;
        http = new HttpClient(new SocketsHttpHandler { PooledConnectionIdleTimeout = TimeSpan.FromMinutes(5) })
        {
            BaseAddress = new Uri(plan.BaseUrl.ToString().TrimEnd('/') + "/"),
            Timeout = plan.Timeout,
        };
        if (plan.ApiKey is { } key) http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
    }

    private string Path => plan.Endpoint == LoadEndpoint.Chat ? "v1/chat/completions" : "v1/completions";

    /// <summary>The first model that the server lists.</summary>
    /// <exception cref="RequestException">The server cannot be reached or lists none.</exception>
    public async Task<string> FirstModelAsync(CancellationToken cancel)
    {
        using HttpResponseMessage answer = await Reach(() => http.GetAsync("v1/models", cancel));
        using JsonDocument? models = ParseOrNull(await answer.Content.ReadAsStringAsync(cancel));
        if (models is not null && Member(models.RootElement, "data") is { ValueKind: JsonValueKind.Array } data && data.GetArrayLength() > 0 && Text(Member(data[0], "id")) is { } id) return id;
        throw new RequestException($"{http.BaseAddress}v1/models answered {(int)answer.StatusCode} and lists no model; give its name with --model");
    }

    /// <summary>How the server counts tokens, from the usage of two short requests.</summary>
    /// <exception cref="RequestException">The server cannot be reached, or refuses them.</exception>
    public async Task<TokenRate?> TokenRateAsync(string model, CancellationToken cancel)
    {
        Random random = new(plan.Seed);
        List<(int Words, int Tokens)> counts = [];
        foreach (int words in (int[])[8, 40])
        {
            JsonObject body = Body(model, new LoadPrompt(PromptMix.Text(words, random), 1), isStream: false);
            using HttpResponseMessage answer = await Reach(() => http.PostAsync(Path, Content(body), cancel));
            string text = await answer.Content.ReadAsStringAsync(cancel);
            if (!answer.IsSuccessStatusCode) throw new RequestException($"{http.BaseAddress}{Path} answered {(int)answer.StatusCode}: {ErrorText(text)}");
            using JsonDocument? parsed = ParseOrNull(text);
            if (parsed is null || Count(Member(Member(parsed.RootElement, "usage"), "prompt_tokens")) is not { } tokens) return null;
            counts.Add((words, tokens));
        }
        return TokenRate.Of(counts[0], counts[1]);
    }

    /// <summary>Sends one request and times its answer. Failures are results too.</summary>
    /// <param name="clock">Runs since the first request.</param>
    public async Task<RequestTiming> SendAsync(string model, LoadPrompt prompt, Stopwatch clock, CancellationToken cancel)
    {
        byte[] body = Encoding.UTF8.GetBytes(Body(model, prompt, isStream: true).ToJsonString());
        Answer answer = new(clock);
        try
        {
            using HttpRequestMessage request = new(HttpMethod.Post, Path) { Content = Content(body) };
            using CancellationTokenSource late = new(plan.Timeout, time); // headers and stream together
            using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancel, late.Token);
            using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            if (!response.IsSuccessStatusCode) return answer.Failed($"{(int)response.StatusCode}: {ErrorText(await response.Content.ReadAsStringAsync(limit.Token))}");
            using Stream stream = await response.Content.ReadAsStreamAsync(limit.Token);
            await foreach (SseItem<bool> item in SseParser.Create(stream, (_, data) => answer.Take(data)).EnumerateAsync(limit.Token))
                if (!item.Data) break;
            return answer.Ended();
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return answer.Failed($"no answer within {plan.Timeout.TotalSeconds:0.###} s");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            return answer.Failed(exception.Message);
        }
    }

    public void Dispose() => http.Dispose();

    private JsonObject Body(string model, LoadPrompt prompt, bool isStream)
    {
        JsonObject body = new() { ["model"] = model, ["temperature"] = plan.Temperature, ["stream"] = isStream };
        if (plan.Endpoint == LoadEndpoint.Chat)
        {
            body["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = prompt.Text });
            body["max_completion_tokens"] = prompt.OutputTokens;
        }
        else
        {
            body["prompt"] = prompt.Text;
            body["max_tokens"] = prompt.OutputTokens;
        }
        if (isStream) body["stream_options"] = new JsonObject { ["include_usage"] = true };
        if (plan.IgnoreEos) body["ignore_eos"] = true;
        return body;
    }

    private static ByteArrayContent Content(JsonObject body) => Content(Encoding.UTF8.GetBytes(body.ToJsonString()));

    private static ByteArrayContent Content(byte[] body) => new(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };

    private async Task<HttpResponseMessage> Reach(Func<Task<HttpResponseMessage>> send)
    {
        try
        {
            return await send();
        }
        catch (HttpRequestException exception)
        {
            throw new RequestException($"{http.BaseAddress} cannot be reached ({exception.Message}); start a server, for instance with lapidary serve, or give another --base-url", exception);
        }
        catch (OperationCanceledException exception) when (exception.InnerException is TimeoutException)
        {
            throw new RequestException($"{http.BaseAddress} did not answer within {plan.Timeout.TotalSeconds:0.###} s (--timeout)", exception);
        }
    }

    private static string ErrorText(string body)
    {
        using JsonDocument? parsed = ParseOrNull(body);
        return parsed is not null && Text(Member(Member(parsed.RootElement, "error"), "message")) is { } message ? message : MessageText.OneLine(body);
    }

    internal static JsonDocument? ParseOrNull(string text)
    {
        try
        {
            return JsonDocument.Parse(text);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static JsonDocument? ParseOrNull(ReadOnlySpan<byte> json)
    {
        if (!Utf8.IsValid(json)) return null;
        try
        {
            Utf8JsonReader reader = new(json);
            JsonDocument document = JsonDocument.ParseValue(ref reader);
            reader.Read(); // throws where more follows
            return document;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    internal static JsonElement? Member(JsonElement? value, string name)
        => value is { ValueKind: JsonValueKind.Object } map && map.TryGetProperty(name, out JsonElement member) ? member : null;

    internal static string? Text(JsonElement? value) => value is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    internal static int? Count(JsonElement? value) => value is { ValueKind: JsonValueKind.Number } number && number.TryGetInt32(out int count) ? count : null;

    /// <summary>A stream as it comes in.</summary>
    private sealed class Answer(Stopwatch clock)
    {
        private readonly double started = clock.Elapsed.TotalSeconds;
        private readonly List<double> itls = [];
        private double first, last;
        private int texts, input, output;
        private bool isDone;
        private string? error;

        /// <summary>Takes the data of one event; false after the last.</summary>
        public bool Take(ReadOnlySpan<byte> data)
        {
            double now = clock.Elapsed.TotalSeconds;
            if (data.SequenceEqual("[DONE]"u8))
            {
                isDone = true;
                return false;
            }
            using JsonDocument? chunk = ParseOrNull(data);
            if (chunk is null)
            {
                error = $"an event is not JSON: {MessageText.Quote(Encoding.UTF8.GetString(data))}";
                return false;
            }
            JsonElement root = chunk.RootElement;
            if (Member(root, "error") is { ValueKind: not JsonValueKind.Null } failure)
            {
                error = Text(Member(failure, "message")) ?? failure.ToString();
                return false;
            }
            if (Member(root, "usage") is { ValueKind: JsonValueKind.Object } usage)
            {
                input = Count(Member(usage, "prompt_tokens")) ?? input;
                output = Count(Member(usage, "completion_tokens")) ?? output;
            }
            if (!HasText(root)) return true;
            if (texts++ == 0) first = now - started;
            else itls.Add(now - last);
            last = now;
            return true;
        }

        public RequestTiming Ended()
        {
            if (error is null && !isDone) error = "the stream broke off before [DONE]";
            if (error is null && texts == 0) error = "the answer has no text";
            return Timing();
        }

        public RequestTiming Failed(string reason)
        {
            error = reason;
            return Timing();
        }

        // Without usage each event counts as a token, as servers send them.
        private RequestTiming Timing() => new(started, first, itls, clock.Elapsed.TotalSeconds - started, input, output > 0 ? output : texts, error);

        /// <summary>Whether a chunk carries part of the answer: text, reasoning or a tool call.</summary>
        private static bool HasText(JsonElement chunk)
        {
            if (Member(chunk, "choices") is not { ValueKind: JsonValueKind.Array } choices) return false;
            foreach (JsonElement choice in choices.EnumerateArray())
            {
                if (Text(Member(choice, "text")) is { Length: > 0 }) return true;
                JsonElement? delta = Member(choice, "delta");
                if (Text(Member(delta, "content")) is { Length: > 0 } || Text(Member(delta, "reasoning_content")) is { Length: > 0 } || Text(Member(delta, "reasoning")) is { Length: > 0 }) return true;
                if (Member(delta, "tool_calls") is { ValueKind: JsonValueKind.Array } calls && calls.GetArrayLength() > 0) return true;
            }
            return false;
        }
    }
}
