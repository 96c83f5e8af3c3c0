using System.Globalization;

namespace Lapidary.Scheduling;

/// <summary>When a choice was submitted, first computed and first answered, and whether it is late. Monotonic time.</summary>
internal sealed class RequestClock
{
    private readonly TimeProvider time;
    private readonly InferenceRequest request;
    private readonly long submitted;
    private long? started, answered;

    public RequestClock(TimeProvider time, InferenceRequest request)
    {
        this.time = time;
        this.request = request;
        submitted = time.GetTimestamp();
    }

    /// <summary>Its first part is about to be computed.</summary>
    public void Start() => started ??= time.GetTimestamp();

    /// <summary>It has a token.</summary>
    public void Answer() => answered ??= time.GetTimestamp();

    /// <summary>Whether a deadline has passed.</summary>
    public bool IsLate => Exceeded is not null;

    /// <summary>The deadline that has passed, or null.</summary>
    public DeadlineException? Late => Exceeded is { } limit
        ? new(string.Create(CultureInfo.InvariantCulture, $"the request {(started is null ? "waited for its turn longer" : "took longer")} than {limit.TotalSeconds:0.###} s, its limit"))
        : null;

    private TimeSpan? Exceeded
    {
        get
        {
            TimeSpan? limit = started is null && request.QueueTimeout < (request.Timeout ?? TimeSpan.MaxValue) ? request.QueueTimeout : request.Timeout;
            return limit is not null && time.GetElapsedTime(submitted) > limit ? limit : null;
        }
    }

    public RequestTimings Timings()
    {
        long now = time.GetTimestamp(), first = started ?? now, token = answered ?? now;
        return new(time.GetElapsedTime(submitted, first), time.GetElapsedTime(first, token), time.GetElapsedTime(token, now));
    }
}
