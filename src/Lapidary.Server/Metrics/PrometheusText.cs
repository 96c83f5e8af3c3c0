using System.Globalization;
using System.Text;

namespace Lapidary.Server.Metrics;

/// <summary>Prometheus's text format 0.0.4. Every sample carries the labels given at the start.</summary>
internal sealed class PrometheusText(params (string Name, string Value)[] common)
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly StringBuilder text = new();

    public void Gauge(string name, string help, double value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        Head(name, help, "gauge");
        Sample(name, labels, value);
    }

    /// <param name="name">Ends in _total.</param>
    public void Counter(string name, string help, long value)
    {
        Head(name, help, "counter");
        Sample(name, [], value);
    }

    /// <summary>One counter for each value of a label.</summary>
    public void Counters(string name, string help, string label, params ReadOnlySpan<(string Label, long Value)> values)
    {
        Head(name, help, "counter");
        foreach ((string of, long value) in values) Sample(name, [(label, of)], value);
    }

    public void Histogram(Histogram histogram) => Histogram(histogram, histogram.Name);

    /// <param name="name">Another name of the same.</param>
    public void Histogram(Histogram histogram, string name)
    {
        Head(name, histogram.Help, "histogram");
        (long count, double sum) = histogram.Read((bound, below) => Bucket(name, bound, below));
        Sum(name, count, sum);
    }

    /// <param name="counts">Values in each bucket, one more than there are bounds.</param>
    public void Histogram(string name, string help, IReadOnlyList<int> bounds, IReadOnlyList<long> counts, double sum)
    {
        Head(name, help, "histogram");
        long below = 0;
        for (int i = 0; i < counts.Count; i++) Bucket(name, i < bounds.Count ? bounds[i] : double.PositiveInfinity, below += counts[i]);
        Sum(name, below, sum);
    }

    public override string ToString() => text.ToString();

    private void Head(string name, string help, string type)
        => text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n");

    private void Sample(string name, ReadOnlySpan<(string Name, string Value)> labels, double value)
    {
        text.Append(name).Append('{');
        char before = '\0';
        foreach ((string label, string of) in common) Label(label, of, ref before);
        foreach ((string label, string of) in labels) Label(label, of, ref before);
        text.Append("} ").Append(Number(value)).Append('\n');
    }

    private void Bucket(string name, double bound, long below) => Sample($"{name}_bucket", [("le", double.IsInfinity(bound) ? "+Inf" : Number(bound))], below);

    private void Sum(string name, long count, double sum)
    {
        Sample($"{name}_sum", [], sum);
        Sample($"{name}_count", [], count);
    }

    private void Label(string name, string value, ref char before)
    {
        if (before != '\0') text.Append(before);
        before = ',';
        string escaped = value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        text.Append(name).Append("=\"").Append(escaped).Append('"');
    }

    /// <summary>With a point, as Python's client writes numbers.</summary>
    private static string Number(double value) => value.ToString(Math.Truncate(value) == value && Math.Abs(value) < 1e15 ? "0.0" : "R", CultureInfo.InvariantCulture);
}
