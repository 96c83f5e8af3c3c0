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
        OperationRow[]? prefillRows = profiling is null ? null : OperationRow.Of(profiling.Times, new Ceilings(probe.Measure(), (first + second) / 2));
        profiling?.Clear();
        long weights = model.Network.BytesPerToken, keysValues = CacheSize.BytesRead(model.Config, model.Cache.Type, plan.Depth + plan.Generate / 2);
        double bytes = (weights + keysValues) / (double)plan.Batch / 1e9;
        List<DecodeRepetition> decode = [];
        MachineMoment? before = null;
        foreach (double seconds in bench.Decode())
        {
            MachineMoment after = MachineMoment.Measure(probe, kernels.Threads);
            if (before is not null) decode.Add(DecodeRepetition.Of(plan.Batch * plan.Generate / seconds, bytes, before, after)); // not the warm-up
            before = after;
        }
        double third = ArithmeticProbe.Measure(kernels.Threads), reads = Median(decode, d => d.ProbeGbPerSecond);
        OperationRow[]? decodeRows = profiling is null ? null : OperationRow.Of(profiling.Times, new Ceilings(reads, (second + third) / 2));
        return new BenchResult(
            model.Location, kernels.Description, model.Network.Experts?.Chosen.Name, kernels.Threads, plan.Prompt, plan.Generate, plan.Depth, plan.Batch,
            prefill, Median(decode, d => d.TokensPerSecond), weights, model.Cache.Type.Name(), keysValues, reads, Median(decode, d => d.ShareOfProbe), loadSeconds, peak,
            model.Network.WeightBytes, [first, second, third], decode, prefillRows, decodeRows);
    }

    private static double Median(List<DecodeRepetition> repetitions, Func<DecodeRepetition, double> figure) => Median([.. repetitions.Select(figure)]);

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
