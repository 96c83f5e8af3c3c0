using Lapidary.Server.Errors;

namespace Lapidary.Server.Operations;

/// <summary>Counts the requests that generate, bounds them, and ends them when the server stops.</summary>
internal sealed class Admission(int most) : IDisposable
{
    private readonly Lock gate = new();
    private readonly TaskCompletionSource empty = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource cutOff = new();
    private int running;
    private bool closed;

    /// <summary>Requested when what still runs has to end.</summary>
    public CancellationToken CutOff => cutOff.Token;

    public bool IsOpen => !Volatile.Read(ref closed);

    public int Running => Volatile.Read(ref running);

    /// <summary>Lets a request in until the result is disposed.</summary>
    /// <exception cref="ApiException">503: the server stops, or is full.</exception>
    public Entry Enter()
    {
        lock (gate)
        {
            if (closed) throw ShuttingDown();
            if (running >= most)
                throw ApiException.Unavailable("overloaded", $"{running} requests are being served, the most this server takes (--max-concurrent-requests); try again later.", TimeSpan.FromSeconds(1));
            running++;
        }
        return new Entry(this);
    }

    public static ApiException ShuttingDown()
        => ApiException.Unavailable("shutting_down", "The server is shutting down and takes no more requests.", TimeSpan.FromSeconds(5));

    /// <summary>Lets nobody in; ends when everyone has left, who is cut off after the timeout or on <paramref name="hurry"/>.</summary>
    public async Task DrainAsync(TimeSpan timeout, CancellationToken hurry)
    {
        lock (gate)
        {
            closed = true;
            if (running == 0) empty.TrySetResult();
        }
        try
        {
            await empty.Task.WaitAsync(timeout, hurry);
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            await cutOff.CancelAsync();
            await Task.WhenAny(empty.Task, Task.Delay(TimeSpan.FromSeconds(5), CancellationToken.None)); // to say goodbye
        }
    }

    public void Dispose() => cutOff.Dispose();

    private void Leave()
    {
        lock (gate)
        {
            running--;
            if (closed && running == 0) empty.TrySetResult();
        }
    }

    public sealed class Entry(Admission admission) : IDisposable
    {
        private int left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref left, 1) == 0) admission.Leave();
        }
    }
}
