using System.Diagnostics;
using Lapidary.Cli.Commands;
using Lapidary.Cpu;
using Lapidary.KvCache;
using Lapidary.Models;
using Lapidary.Verification;

namespace Lapidary.Cli.Bench;

/// <summary>Measures between two probes of the memory, since its speed drifts on shared machines.</summary>
internal static class BenchRun
{
    public static BenchResult Measure(LanguageModel model, BenchPlan plan, CpuKernels kernels, ProfilingKernels? profiling, double loadSeconds)
    {
        using ModelBench bench = new(model, plan);
        double prefill = plan.Prompt / Median(bench.Prefill());
        IReadOnlyList<OperationRow>? prefillRows = Rows(profiling);
        long peak = PeakMemory(); // before the probe takes memory of its own

        using BandwidthProbe probe = new(kernels.Threads);
        double before = probe.Measure();
        profiling?.Clear();
        double decode = plan.Batch * plan.Generate / Median(bench.Decode());
        IReadOnlyList<OperationRow>? decodeRows = Rows(profiling);
        double after = probe.Measure(), reads = (before + after) / 2;

        long weights = model.Network.BytesPerToken, keysValues = CacheSize.BytesRead(model.Config, model.Cache.Type, plan.Depth + plan.Generate / 2);
        return new BenchResult(
            model.Location, kernels.Description, model.Network.Experts?.Chosen.Name, kernels.Threads, plan.Prompt, plan.Generate, plan.Depth, plan.Batch,
            prefill, decode, weights, model.Cache.Type.Name(), keysValues, reads, before, after, (weights + keysValues) * decode / plan.Batch / (reads * 1e9),
            loadSeconds, peak, model.Network.WeightBytes, prefillRows, decodeRows);
    }

    public static double Median(double[] values)
    {
        Array.Sort(values);
        return (values[(values.Length - 1) / 2] + values[values.Length / 2]) / 2;
    }

    private static OperationRow[]? Rows(ProfilingKernels? profiling)
    {
        if (profiling is null) return null;
        double all = profiling.Times.Values.Sum(time => time.Seconds);
        OperationRow[] rows = [.. profiling.Times.OrderByDescending(pair => pair.Value.Ticks).Select(pair => new OperationRow(
            pair.Key, pair.Value.Calls, 1000 * pair.Value.Seconds, pair.Value.Seconds / all,
            pair.Value.WeightBytes > 0 ? pair.Value.WeightBytes / pair.Value.Seconds / 1e9 : null))];
        return rows;
    }

    private static long PeakMemory()
    {
        using Process self = Process.GetCurrentProcess();
        return self.PeakWorkingSet64;
    }
}
