namespace Lapidary.Scheduling;

/// <summary>How many tokens the steps had, counted by size.</summary>
/// <param name="Counts">Steps of at most as many tokens as <see cref="Bounds"/> says and more than the bound before; the last are larger than every bound.</param>
/// <param name="Sum">Tokens of all steps.</param>
public sealed record StepTokens(IReadOnlyList<long> Counts, long Sum)
{
    /// <summary>As in vLLM.</summary>
    public static IReadOnlyList<int> Bounds { get; } = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384];

    internal static int Bucket(int tokens)
    {
        int bucket = 0;
        while (bucket < Bounds.Count && tokens > Bounds[bucket]) bucket++;
        return bucket;
    }
}
