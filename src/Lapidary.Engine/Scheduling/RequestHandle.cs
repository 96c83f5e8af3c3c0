using System.Threading.Channels;

namespace Lapidary.Scheduling;

/// <summary>A submitted request, seen from the thread that waits for it.</summary>
public sealed class RequestHandle
{
    private readonly Channel<TokenEvent> events;
    private volatile bool cancelled;

    internal RequestHandle(InferenceRequest request, int maxUnreadEvents)
    {
        Request = request;
        events = Channel.CreateBounded<TokenEvent>(new BoundedChannelOptions(maxUnreadEvents) { SingleReader = true, SingleWriter = true });
    }

    public InferenceRequest Request { get; }

    /// <summary>
    /// The tokens of all choices in the order in which they come; completes after the last event of the last choice. Ends
    /// with a <see cref="LapidaryException"/> when nobody read for so long that the buffer was full.
    /// </summary>
    public ChannelReader<TokenEvent> Events => events.Reader;

    /// <summary>
    /// One entry for each token of the prompt, the first null; null when not asked for. Set before the first event.
    /// </summary>
    public IReadOnlyList<TokenLogprobs?>? PromptLogprobs { get; internal set; }

    /// <summary>Ends every choice that still runs or waits, with reason Abort. May be called from any thread, at any time.</summary>
    public void Cancel() => cancelled = true;

    internal bool IsCancelled => cancelled;

    internal ChannelWriter<TokenEvent> Writer => events.Writer;
}
