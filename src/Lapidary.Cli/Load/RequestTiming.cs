namespace Lapidary.Cli.Load;

/// <summary>One request of a load test. Times in seconds.</summary>
/// <param name="Started">Since the first request.</param>
/// <param name="Ttft">From sending to the first text.</param>
/// <param name="Itls">Between texts that came one after the other.</param>
/// <param name="Latency">From sending to the end.</param>
/// <param name="Error">Why it failed; null when it did not.</param>
internal sealed record RequestTiming(
    double Started, double Ttft, IReadOnlyList<double> Itls, double Latency, int InputTokens, int OutputTokens, string? Error)
{
    /// <summary>Time per output token after the first.</summary>
    public double Tpot => OutputTokens > 1 ? (Latency - Ttft) / (OutputTokens - 1) : 0;

    public double Ended => Started + Latency;
}
