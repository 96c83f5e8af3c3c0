using System.Runtime.InteropServices;

namespace Lapidary.Cli;

/// <summary>SIGTERM and Ctrl-C: the first asks to end well, the second to end now. Before anyone waits, the first ends the process.</summary>
internal sealed class ShutdownSignals : IDisposable
{
    private readonly TaskCompletionSource first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource second = new();
    private readonly PosixSignalRegistration[] registrations;
    private volatile bool awaited;

    public ShutdownSignals() => registrations =
        [.. new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT }.Select(signal => PosixSignalRegistration.Create(signal, Handle))];

    /// <summary>Waits for the first signal; the token is requested by the second.</summary>
    public async Task<CancellationToken> FirstAsync()
    {
        awaited = true;
        await first.Task;
        return second.Token;
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in registrations) registration.Dispose();
        second.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        if (!awaited) return; // still loading: nothing to end well
        context.Cancel = true;
        if (!first.TrySetResult()) second.Cancel();
    }
}
