using System.Runtime.CompilerServices;
using Lapidary.Cpu;

namespace Lapidary.Cli.Bench;

/// <summary>How fast the threads together multiply and add in float32, with nothing to read: what a long prompt cannot beat in float32.</summary>
internal static class ArithmeticProbe
{
    /// <summary>Sums that wait for nothing but themselves: two units with four cycles each are busy with 8, and 16 registers hold these.</summary>
    private const int Chains = 12;
    private const int Steps = 1 << 16;

    /// <summary>GFLOP/s over a quarter of a second, a multiply-add being two operations.</summary>
    public static double Measure(int threads) => CpuFeatures.VectorBits switch
    {
        512 => Measure<V16>(threads),
        256 => Measure<V8>(threads),
        128 => Measure<V4>(threads),
        _ => Measure<V1>(threads),
    };

    private static double Measure<TLane>(int threads) where TLane : struct, IFloatLane<TLane>
    {
        float[] results = [.. Enumerable.Range(0, threads).Select(Sum<TLane>)]; // compiles it, too
        double passes = ProbeThreads.PassesPerSecond(threads, 0.25, t => results[t] = Sum<TLane>(t));
        GC.KeepAlive(results);
        return passes * 2 * Chains * TLane.Count * Steps / 1e9;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // at once, not after many calls
    private static float Sum<TLane>(int start) where TLane : struct, IFloatLane<TLane>
    {
        TLane factor = TLane.Broadcast(0.99f), step = TLane.Broadcast(0.01f);
        // Each begins with a number of its own, or they would be one sum to a compiler that looks closely.
        TLane a = TLane.Broadcast(start), b = a + step, c = b + step, d = c + step, e = d + step, f = e + step;
        TLane g = f + step, h = g + step, i = h + step, j = i + step, k = j + step, l = k + step;
        for (int s = 0; s < Steps; s++)
        {
            a = TLane.MultiplyAdd(a, factor, step);
            b = TLane.MultiplyAdd(b, factor, step);
            c = TLane.MultiplyAdd(c, factor, step);
            d = TLane.MultiplyAdd(d, factor, step);
            e = TLane.MultiplyAdd(e, factor, step);
            f = TLane.MultiplyAdd(f, factor, step);
            g = TLane.MultiplyAdd(g, factor, step);
            h = TLane.MultiplyAdd(h, factor, step);
            i = TLane.MultiplyAdd(i, factor, step);
            j = TLane.MultiplyAdd(j, factor, step);
            k = TLane.MultiplyAdd(k, factor, step);
            l = TLane.MultiplyAdd(l, factor, step);
        }
        return TLane.Sum(a + b + (c + d) + (e + f) + (g + h) + (i + j) + (k + l));
    }
}
