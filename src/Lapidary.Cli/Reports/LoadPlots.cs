using Lapidary.Cli.Load;
using static System.FormattableString;

namespace Lapidary.Cli.Reports;

/// <summary>The pictures of a load test.</summary>
internal static class LoadPlots
{
    private const int Width = 960, Height = 260, Left = 64, Right = 12, Top = 14, Bottom = 40;
    private const int MostPoints = 1500; // more than pixels say nothing

    /// <summary>The part of the values that are at most so many milliseconds.</summary>
    public static Svg Distribution(string name, IEnumerable<double> seconds)
    {
        double[] sorted = [.. seconds.Select(s => s * 1e3).Order()];
        Svg svg = new($"Distribution: {name}", Width, Height);
        (LinearAxis x, LinearAxis y) = Axes(svg, sorted.LastOrDefault(), 100, $"{name}, milliseconds", "%");
        int stride = sorted.Length / MostPoints + 1;
        svg.Path(sorted.Select((ms, i) => (x.At(ms), y.At(100.0 * (i + 1) / sorted.Length))).Where((_, i) => i % stride == 0 || i == sorted.Length - 1), "a");
        foreach (double part in (double[])[0.5, 0.99])
            if (sorted.Length > 0 && sorted[(int)(part * (sorted.Length - 1))] is var ms)
                svg.Circle(x.At(ms), y.At(100 * part), 4, "flip", Invariant($"{100 * part:0} % within {ms:0.00} ms"));
        return svg;
    }

    /// <summary>Each request at its start: how long until the first token.</summary>
    public static Svg FirstTokens(LoadReport report)
    {
        Svg svg = new("Time to first token over the test", Width, Height);
        double end = report.Timings.Select(t => t.Started).DefaultIfEmpty().Max(), largest = report.Good.Select(t => t.Ttft * 1e3).DefaultIfEmpty().Max();
        (LinearAxis x, LinearAxis y) = Axes(svg, end, largest, "start of the request, seconds", "ms");
        int stride = report.Timings.Count / MostPoints + 1;
        foreach (RequestTiming timing in report.Timings.Where((_, i) => i % stride == 0))
        {
            if (timing.Error is { } error) svg.Circle(x.At(timing.Started), y.At(0), 3, "flip", $"failed: {error}");
            else svg.Circle(x.At(timing.Started), y.At(timing.Ttft * 1e3), 2.5, "dot", Invariant($"at {timing.Started:0.00} s: {timing.Ttft * 1e3:0.0} ms to the first of {timing.OutputTokens} tokens"));
        }
        return svg;
    }

    /// <summary>Tokens per second (blue) and requests at a time (orange, of their most) over the test.</summary>
    public static Svg Throughput(LoadReport report)
    {
        const int Bins = 120;
        double start = report.Timings.Select(t => t.Started).DefaultIfEmpty().Min(), bin = Math.Max(report.Duration, 1e-3) / Bins;
        double[] tokens = new double[Bins], requests = new double[Bins];
        int Bin(double time) => Math.Clamp((int)((time - start) / bin), 0, Bins - 1);
        foreach (RequestTiming timing in report.Timings)
        {
            for (int i = Bin(timing.Started); i <= Bin(timing.Ended); i++) requests[i]++;
            if (timing.Error is not null) continue;
            double time = timing.Started + timing.Ttft, share = (double)timing.OutputTokens / (timing.Itls.Count + 1); // an event may carry several tokens
            tokens[Bin(time)] += share;
            foreach (double itl in timing.Itls) tokens[Bin(time += itl)] += share;
        }
        Svg svg = new("Throughput and concurrency over the test", Width, Height);
        (LinearAxis x, LinearAxis y) = Axes(svg, report.Duration, tokens.Max() / bin, "seconds", "tok/s");
        LinearAxis most = new(requests.Max(), Height - Bottom, Top);
        svg.Path(tokens.Select((n, i) => (x.At((i + 0.5) * bin), y.At(n / bin))), "a");
        svg.Path(requests.Select((n, i) => (x.At((i + 0.5) * bin), most.At(n))), "b");
        return svg.Label(Width - Right, Top - 3, Invariant($"orange: requests at a time, at most {requests.Max():0}"), "end");
    }

    private static (LinearAxis X, LinearAxis Y) Axes(Svg svg, double right, double top, string name, string unit)
    {
        LinearAxis x = new(right, Left, Width - Right), y = new(top, Height - Bottom, Top);
        foreach ((double place, string label) in y.Ticks()) svg.Line(Left, place, Width - Right, place, "axis").Label(Left - 8, place + 4, label, "end");
        foreach ((double place, string label) in x.Ticks()) svg.Line(place, Height - Bottom, place, Height - Bottom + 4, "axis").Label(place, Height - Bottom + 16, label, "middle");
        svg.Label(Left - 8, Top - 3, unit, "end").Label((Width + Left) / 2.0, Height - 6, name, "middle");
        return (x, y);
    }
}
