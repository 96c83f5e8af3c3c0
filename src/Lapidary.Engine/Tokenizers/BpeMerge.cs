using System.Buffers;

namespace Lapidary.Tokenizers;

/// <summary>
/// Applies merges to a row of symbols: always the pair of lowest rank, the leftmost first among equals.
/// </summary>
internal static class BpeMerge
{
    // Up to here a scan for the best pair is faster than a heap.
    private const int ShortRow = 40;

    /// <summary>Merges in place; returns how many symbols are left.</summary>
    public static int Run(MergeTable merges, Span<int> symbols) => symbols.Length switch
    {
        < 2 => symbols.Length,
        <= ShortRow => Scan(merges, symbols),
        _ => Heap(merges, symbols),
    };

    private static int Scan(MergeTable merges, Span<int> symbols)
    {
        int count = symbols.Length;
        Span<int> ranks = stackalloc int[ShortRow], results = stackalloc int[ShortRow];
        for (int i = 0; i + 1 < count; i++) Look(merges, symbols, i, ranks, results);
        while (count > 1)
        {
            int best = 0;
            for (int i = 1; i + 1 < count; i++)
                if (ranks[i] < ranks[best]) best = i;
            if (ranks[best] == int.MaxValue) break;

            symbols[best] = results[best];
            symbols[(best + 2)..count].CopyTo(symbols[(best + 1)..]);
            if (best + 2 < count)
            {
                ranks[(best + 2)..(count - 1)].CopyTo(ranks[(best + 1)..]);
                results[(best + 2)..(count - 1)].CopyTo(results[(best + 1)..]);
            }
            count--;
            if (best > 0) Look(merges, symbols, best - 1, ranks, results);
            if (best + 1 < count) Look(merges, symbols, best, ranks, results);
        }
        return count;
    }

    private static void Look(MergeTable merges, Span<int> symbols, int i, Span<int> ranks, Span<int> results)
    {
        if (!merges.TryGet(symbols[i], symbols[i + 1], out ranks[i], out results[i])) ranks[i] = int.MaxValue;
    }

    /// <summary>A linked row and a heap of pairs: n log n, for words of any length.</summary>
    private static int Heap(MergeTable merges, Span<int> symbols)
    {
        int n = symbols.Length;
        int[] previous = ArrayPool<int>.Shared.Rent(n), next = ArrayPool<int>.Shared.Rent(n);
        // Priority: rank, then position. An entry is stale when its pair has changed since.
        PriorityQueue<(int Position, int Left, int Right, int Result), long> queue = new(n);
        for (int i = 0; i < n; i++) (previous[i], next[i]) = (i - 1, i + 1 < n ? i + 1 : -1);
        for (int i = 0; i + 1 < n; i++) Offer(merges, symbols, queue, i, i + 1);

        while (queue.TryDequeue(out var pair, out _))
        {
            int left = pair.Position, right = symbols[left] == pair.Left ? next[left] : -1;
            if (right < 0 || symbols[right] != pair.Right) continue;
            symbols[left] = pair.Result;
            symbols[right] = -1;
            next[left] = next[right];
            if (next[right] >= 0) previous[next[right]] = left;
            if (previous[left] >= 0) Offer(merges, symbols, queue, previous[left], left);
            if (next[left] >= 0) Offer(merges, symbols, queue, left, next[left]);
        }

        int count = 0;
        for (int i = 0; i >= 0; i = next[i]) symbols[count++] = symbols[i];
        ArrayPool<int>.Shared.Return(previous);
        ArrayPool<int>.Shared.Return(next);
        return count;
    }

    private static void Offer(
        MergeTable merges, Span<int> symbols, PriorityQueue<(int, int, int, int), long> queue, int left, int right)
    {
        if (merges.TryGet(symbols[left], symbols[right], out int rank, out int result))
            queue.Enqueue((left, symbols[left], symbols[right], result), ((long)rank << 32) | (uint)left);
    }
}
