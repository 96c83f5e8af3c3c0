using System.Threading.Channels;

namespace Lapidary.Scheduling;

/// <summary>A submitted request, seen from the thread that waits for it.</summary>
public sealed class RequestHandle
{
    private readonly Channel<TokenEvent> events;
    private readonly int maxUnreadEvents;
    private volatile bool cancelled;

    private int choicesLeft;

    internal RequestHandle(InferenceRequest request, int maxUnreadEvents)
    {
        Request = request;
        Seed = request.Sampling.Seed is { } seed and not -1 ? seed : Random.Shared.NextInt64();
        this.maxUnreadEvents = maxUnreadEvents;
        choicesLeft = request.Sampling.N;
        events = Channel.CreateBounded<TokenEvent>(new BoundedChannelOptions(maxUnreadEvents) { SingleReader = true });
    }

    public InferenceRequest Request { get; }

    /// <summary>The seed of choice 0, given or drawn, so that a run can be repeated.</summary>
    public long Seed { get; }

    /// <summary>
    /// The tokens of all choices in the order in which they come; completes after the last event of the last choice. Ends
    /// with a <see cref="LapidaryException"/> when nobody read for so long that the buffer was full.
    /// </summary>
    public ChannelReader<TokenEvent> Events => events.Reader;

    /// <summary>
    /// One entry for each token of the prompt, the first null; null when not asked for. Set before the first event of choice 0.
    /// </summary>
    public IReadOnlyList<TokenLogprobs?>? PromptLogprobs { get; internal set; }

    /// <summary>
    /// With <see cref="InferenceRequest.Embed"/>: the mean of the prompt's last hidden states, of length 1. Set before the last
    /// event.
    /// </summary>
    public IReadOnlyList<float>? Embedding { get; internal set; }

    /// <summary>Ends every choice that still runs or waits, with reason Abort. May be called from any thread, at any time.</summary>
    public void Cancel() => cancelled = true;

    /// <summary>As <see cref="Cancel"/>, and ends the events at once, with an <see cref="OperationCanceledException"/>, for who waits for them.</summary>
    public void Abandon()
    {
        Cancel();
        events.Writer.TryComplete(new OperationCanceledException());
    }

    /// <summary>Wakes who waits for events with one that says nothing, so that it can tell its client that the request lives.</summary>
    /// <returns>False when the events are complete.</returns>
    public bool Nudge() => events.Writer.TryWrite(TokenEvent.Nothing);

    internal bool IsCancelled => cancelled;

    /// <summary>Gives out an event.</summary>
    /// <returns>False when the buffer is full.</returns>
    internal bool TryWrite(in TokenEvent tokenEvent) => events.Writer.TryWrite(tokenEvent);

    /// <summary>A choice has ended; after the last one the events are complete.</summary>
    internal void CompleteChoice()
    {
        if (Interlocked.Decrement(ref choicesLeft) == 0) events.Writer.TryComplete();
    }

    /// <summary>Nobody reads: ends the events with an error.</summary>
    internal void Overflow()
    {
        Cancel();
        events.Writer.TryComplete(new SlowReaderException(
            $"{maxUnreadEvents} events of request {Request.Id} were not read, the most that are kept; it has been cancelled"));
    }
}
