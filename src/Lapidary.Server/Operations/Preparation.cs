using System.Runtime.InteropServices;
using System.Text.Json;

namespace Lapidary.Server.Operations;

/// <summary>
/// Bounds how many requests are checked, rendered and turned into tokens at the same time. A body of many megabytes, or a slow
/// chat template, keeps a thread for seconds; without a bound, some of them would keep all threads, from probes and streams too.
/// Large bodies wait for each other only, so that they do not hold up the others.
/// </summary>
internal sealed class Preparation : IDisposable
{
    /// <summary>Bytes from which a body is large.</summary>
    public const int Large = 256 << 10;

    private readonly SemaphoreSlim small = new(SmallAtOnce), large = new(LargeAtOnce);

    public static int SmallAtOnce => Environment.ProcessorCount;

    public static int LargeAtOnce => Math.Max(1, Environment.ProcessorCount / 2);

    /// <summary>Prepares a request when it is its turn.</summary>
    public async Task<T> RunAsync<T>(JsonDocument body, Func<T> prepare, CancellationToken cancel)
    {
        SemaphoreSlim gate = JsonMarshal.GetRawUtf8Value(body.RootElement).Length < Large ? small : large;
        await gate.WaitAsync(cancel);
        try
        {
            return prepare();
        }
        finally
        {
            gate.Release();
        }
    }

    public void Dispose()
    {
        small.Dispose();
        large.Dispose();
    }
}
