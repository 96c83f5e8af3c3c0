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
    private readonly List<int> draft = [];
    private readonly List<ChosenToken> chosen = [];
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

    /// <summary>How the text may go on: tokens to compute in the same step as the pending one, and to keep if they are what is chosen.</summary>
    public ReadOnlySpan<int> Draft => CollectionsMarshal.AsSpan(draft);

    /// <summary>Most tokens that a draft can save; with the one chosen after them the text has its full length.</summary>
    public int MaxDraft => maxLength - tokens.Count - 1;

    /// <summary>Whether tokens have been computed since it was last admitted.</summary>
    public bool HasStarted { get; set; }

    /// <summary>Tokens of the next step, while it is being planned.</summary>
    public int Share { get; set; }

    /// <summary>Tokens of the draft in the next step, while it is being planned.</summary>
    public int DraftShare { get; set; }

    /// <summary>Whether every token of the prompt needs logits, so that none may come from the prefix cache.</summary>
    public bool NeedsAllLogits => promptLogprobs is { IsComplete: false } || pooling is { IsComplete: false };

    /// <summary>Tokens of the prompt that were cached when it first started; null before.</summary>
    public int? CachedTokens { get; set; }

    public RequestClock Clock { get; }

    // The outcome of the last step.

    /// <summary>The tokens chosen, all but the last of them from the draft; none when the prompt is not yet computed.</summary>
    public ReadOnlySpan<ChosenToken> Chosen => CollectionsMarshal.AsSpan(chosen);

    /// <summary>Row of the logits from which the last token was chosen.</summary>
    public int LogitRow { get; private set; }
    public FinishReason? Finish { get; private set; }
    public LapidaryException? Error { get; private set; }
    public string? StopText => text.Stopped;
    public int? StopTokenId { get; private set; }

    /// <summary>In the order in which sequences are served: priority, then age.</summary>
    public static int Compare(Sequence a, Sequence b)
        => a.Priority != b.Priority ? a.Priority.CompareTo(b.Priority) : a.Number.CompareTo(b.Number);

    /// <summary>Takes one more token into the draft.</summary>
    public void Propose(int token) => draft.Add(token);

    public void DropDraft() => draft.Clear();

    /// <summary>Uses the logits of a step. Runs on any thread; a failure concerns this sequence only.</summary>
    /// <param name="hidden">What the logits were computed from, row by row.</param>
    /// <param name="rows">The rows of the logits that are this sequence's: one for each token it computed, or for the last only.</param>
    /// <param name="drafted">How many of the tokens it computed are of its draft.</param>
    public void Use(IKernels kernels, IBuffer logits, IBuffer hidden, Range rows, int drafted)
    {
        chosen.Clear();
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
            if (Pending == 0) Verify(kernels, logits, first + count - 1 - drafted, drafted);
        }
        catch (LapidaryException exception)
        {
            Fail(exception);
        }
        catch (Exception exception)
        {
            Fail(new GenerationException($"choosing a token failed: {exception.Message}", exception));
        }
        draft.Clear();
    }

    public void Fail(LapidaryException error)
    {
        Error = error;
        Finish = FinishReason.Error;
    }

    /// <summary>
    /// Chooses the next token, and goes on while what is chosen is what the draft has: the logits after it are then those of
    /// the text. Every token is chosen as it would be without a draft, so the text is the same.
    /// </summary>
    private void Verify(IKernels kernels, IBuffer logits, int row, int drafted)
    {
        for (int i = 0; i <= drafted; i++)
        {
            LogitRow = row + i;
            Choose(kernels.HostRow(logits, LogitRow));
            if (Finish is not null || i == drafted || tokens[^1] != draft[i]) return;
        }
    }

    private void Choose(Span<float> logits)
    {
        (int token, TokenLogprobs? logprobs) = sampler.Sample(logits, Output);
        tokens.Add(token);
        chosen.Add(new ChosenToken(token, "", logprobs, Ends: true)); // should reading it fail
        chosen[^1] = chosen[^1] with { Text = Read(token), Ends = Finish is not null };
    }

    /// <summary>The text that is now certain, and whether it ends here.</summary>
    private string Read(int token)
    {
        if (endIds.Contains(token))
        {
            Finish = FinishReason.Stop;
            string last = text.End(token);
            if (text.Stopped is null) StopTokenId = token; // else the bytes that were held back hold a stop text, which cuts the text
            return last;
        }
        string certain = text.Push(token);
        if (text.Stopped is null && tokens.Count == maxLength)
        {
            Finish = FinishReason.Length;
            certain += text.Flush();
        }
        if (text.Stopped is not null) Finish = FinishReason.Stop;
        return certain;
    }
}

/// <summary>A token of the last step, the text that it made certain, its log-probabilities when asked for, and whether the output ends with it.</summary>
internal readonly record struct ChosenToken(int Id, string Text, TokenLogprobs? Logprobs, bool Ends);
