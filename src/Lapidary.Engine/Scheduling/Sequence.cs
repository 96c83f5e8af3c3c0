using System.Runtime.InteropServices;
using Lapidary.Generation;
using Lapidary.KvCache;
using Lapidary.Lora;
using Lapidary.Sampling;

namespace Lapidary.Scheduling;

/// <summary>One choice of a request on its way through the engine: its tokens, where their keys and values lie, its sampler and its text.</summary>
internal sealed class Sequence
{
    private readonly List<int> tokens;
    private readonly IReadOnlySet<int> endIds;
    private readonly Sampler sampler;
    private readonly OutputText text;
    private readonly PromptLogprobs? promptLogprobs;
    private readonly MeanPooling? pooling;
    private readonly int maxLength;

    /// <param name="number">Order of submission.</param>
    /// <param name="cache">With room for the longest output.</param>
    /// <param name="endIds">Tokens that end the text.</param>
    public Sequence(
        RequestHandle handle, int choice, long number, CacheSequence cache, Sampler sampler, OutputText text,
        PromptLogprobs? promptLogprobs, IReadOnlySet<int> endIds, RequestClock clock, LoadedAdapter? adapter)
    {
        Handle = handle;
        Choice = choice;
        Number = number;
        Cache = cache;
        Clock = clock;
        Adapter = adapter;
        PromptLength = handle.Request.PromptIds.Length;
        this.sampler = sampler;
        this.text = text;
        this.promptLogprobs = promptLogprobs;
        pooling = handle.Request.Embed ? new MeanPooling(handle) : null;
        this.endIds = endIds;
        maxLength = cache.MaxLength;
        tokens = new List<int>(Math.Min(maxLength, PromptLength + 1024));
        tokens.AddRange(handle.Request.PromptIds.AsSpan());
    }

    public RequestHandle Handle { get; }
    public int Choice { get; }
    public long Number { get; }
    public int Priority => Handle.Request.Priority;
    public CacheSequence Cache { get; }
    public int PromptLength { get; }

    /// <summary>Held for this sequence; null for the model itself.</summary>
    public LoadedAdapter? Adapter { get; }

    public ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(tokens);
    public ReadOnlySpan<int> Output => Tokens[PromptLength..];

    /// <summary>Tokens whose keys and values are not computed: one while the text grows, more in a prompt or after preemption.</summary>
    public int Pending => tokens.Count - Cache.Length;

    /// <summary>Whether tokens have been computed since it was last admitted.</summary>
    public bool HasStarted { get; set; }

    /// <summary>Tokens of the next step, while it is being planned.</summary>
    public int Share { get; set; }

    /// <summary>Whether every token of the prompt needs logits, so that none may come from the prefix cache.</summary>
    public bool NeedsAllLogits => promptLogprobs is { IsComplete: false } || pooling is { IsComplete: false };

    /// <summary>Tokens of the prompt that were cached when it first started; null before.</summary>
    public int? CachedTokens { get; set; }

    public RequestClock Clock { get; }

    // The outcome of the last step.

    /// <summary>The token chosen, or <see cref="TokenEvent.NoToken"/> when the prompt is not yet computed.</summary>
    public int Token { get; private set; } = TokenEvent.NoToken;
    public string Text { get; private set; } = "";
    public TokenLogprobs? Logprobs { get; private set; }
    public FinishReason? Finish { get; private set; }
    public LapidaryException? Error { get; private set; }
    public string? StopText => text.Stopped;
    public int? StopTokenId { get; private set; }

    /// <summary>In the order in which sequences are served: priority, then age.</summary>
    public static int Compare(Sequence a, Sequence b)
        => a.Priority != b.Priority ? a.Priority.CompareTo(b.Priority) : a.Number.CompareTo(b.Number);

    /// <summary>Uses the logits of a step. Runs on any thread; a failure concerns this sequence only.</summary>
    /// <param name="hidden">What the logits were computed from, row by row.</param>
    /// <param name="rows">The rows of the logits that are this sequence's: one for each token it computed, or for the last only.</param>
    public void Use(IKernels kernels, IBuffer logits, IBuffer hidden, Range rows)
    {
        (Token, Text, Logprobs) = (TokenEvent.NoToken, "", null);
        try
        {
            (int first, int count) = rows.GetOffsetAndLength(logits.Rows);
            if (pooling is not null)
            {
                pooling.Read(kernels, hidden, first, Cache.Length - count, count);
                if (pooling.IsComplete) Finish = FinishReason.Stop;
                return;
            }
            if (NeedsAllLogits) promptLogprobs!.Read(kernels, logits, first, Cache.Length - count, count);
            if (Pending == 0) Choose(kernels.HostRow(logits, first + count - 1));
        }
        catch (LapidaryException exception)
        {
            Fail(exception);
        }
        catch (Exception exception)
        {
            Fail(new GenerationException($"choosing a token failed: {exception.Message}", exception));
        }
    }

    public void Fail(LapidaryException error)
    {
        Error = error;
        Finish = FinishReason.Error;
    }

    private void Choose(Span<float> logits)
    {
        (Token, Logprobs) = sampler.Sample(logits, Output);
        tokens.Add(Token);
        if (endIds.Contains(Token))
        {
            StopTokenId = Token;
            Finish = FinishReason.Stop;
            Text = text.End(Token);
            return;
        }
        Text = text.Push(Token);
        if (text.Stopped is null && tokens.Count == maxLength)
        {
            Finish = FinishReason.Length;
            Text += text.Flush();
        }
        if (text.Stopped is not null) Finish = FinishReason.Stop;
    }
}
