using System.Diagnostics;
using Lapidary.Cpu;
using Lapidary.KvCache;
using Lapidary.Models;
using Lapidary.Verification;

namespace Lapidary.Cli.Bench;

/// <summary>Measures between probes of memory and arithmetic, since their speed drifts on shared machines.</summary>
internal static class BenchRun
{
    public static BenchResult Measure(LanguageModel model, BenchPlan plan, CpuKernels kernels, ProfilingKernels? profiling, double loadSeconds)
    {
        using ModelBench bench = new(model, plan);
        double first = ArithmeticProbe.Measure(kernels.Threads);
        profiling?.Clear();
        double prefill = plan.Prompt / Median(bench.Prefill());
        double second = ArithmeticProbe.Measure(kernels.Threads);
        long peak = PeakMemory(); // before the other probe takes memory of its own

        using BandwidthProbe probe = new(kernels.Threads);
        double before = probe.Measure();
        double? tripBefore = HandoverProbe.Measure(kernels.Threads);
        OperationRow[]? prefillRows = profiling is null ? null : OperationRow.Of(profiling.Times, new Ceilings(before, (first + second) / 2));
        profiling?.Clear();
        double decode = plan.Batch * plan.Generate / Median(bench.Decode());
        double? tripAfter = HandoverProbe.Measure(kernels.Threads);
        double after = probe.Measure(), third = ArithmeticProbe.Measure(kernels.Threads), reads = (before + after) / 2;
        OperationRow[]? decodeRows = profiling is null ? null : OperationRow.Of(profiling.Times, new Ceilings(reads, (second + third) / 2));

        long weights = model.Network.BytesPerToken, keysValues = CacheSize.BytesRead(model.Config, model.Cache.Type, plan.Depth + plan.Generate / 2);
        return new BenchResult(
            model.Location, kernels.Description, model.Network.Experts?.Chosen.Name, kernels.Threads, plan.Prompt, plan.Generate, plan.Depth, plan.Batch,
            prefill, decode, weights, model.Cache.Type.Name(), keysValues, reads, before, after, (weights + keysValues) * decode / plan.Batch / (reads * 1e9),
            loadSeconds, peak, model.Network.WeightBytes, [first, second, third], tripBefore is { } a && tripAfter is { } b ? [a, b] : [], prefillRows, decodeRows);
    }

    public static double Median(double[] values)
    {
        Array.Sort(values);
        return (values[(values.Length - 1) / 2] + values[values.Length / 2]) / 2;
    }

    private static long PeakMemory()
    {
        using Process self = Process.GetCurrentProcess();
        return self.PeakWorkingSet64;
    }
}
