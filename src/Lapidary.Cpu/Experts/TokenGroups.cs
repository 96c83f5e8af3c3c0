namespace Lapidary.Cpu.Experts;

/// <summary>
/// Tokens of a step sorted by expert: the (token, slot) pairs of expert e are entries Start[e] to Start[e + 1] - 1 of
/// <see cref="Pairs"/>, in token order. A pair is token · k + slot.
/// </summary>
internal sealed class TokenGroups(int experts, int topK, int maxTokens)
{
    private readonly int[] start = new int[experts + 1];
    private readonly int[] pairs = new int[maxTokens * topK];
    private readonly int[] next = new int[experts];

    public ReadOnlySpan<int> Start => start;
    public ReadOnlySpan<int> Pairs => pairs;

    /// <summary>Counting sort of the ids [t, k].</summary>
    public unsafe void Sort(CpuBuffer ids)
    {
        Array.Clear(start);
        for (int t = 0; t < ids.Rows; t++)
            for (int slot = 0; slot < topK; slot++) start[ids.IntRow(t)[slot] + 1]++;
        for (int e = 0; e < experts; e++) start[e + 1] += start[e];
        Array.Copy(start, next, experts);
        for (int t = 0; t < ids.Rows; t++)
            for (int slot = 0; slot < topK; slot++) pairs[next[ids.IntRow(t)[slot]]++] = t * topK + slot;
    }
}
