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
        _ => Heap(merges, symbols, out _),
    };

    private static int Scan(MergeTable merges, Span<int> symbols)
    {
        int count = symbols.Length;
        Span<int> ranks = stackalloc int[ShortRow], results = stackalloc int[ShortRow];
        for (int i = 0; i + 1 < count; i++) Look(merges, symbols, i, i + 1, ranks, results);
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
            if (best > 0) Look(merges, symbols, best - 1, best, ranks, results);
            if (best + 1 < count) Look(merges, symbols, best, best + 1, ranks, results);
        }
        return count;
    }

    /// <summary>A linked row and a heap of pairs: n log n, for words of any length.</summary>
    /// <param name="steps">Pairs taken from the heap: fewer than 3 n.</param>
    internal static int Heap(MergeTable merges, Span<int> symbols, out long steps)
    {
        int n = symbols.Length;
        int[] rented = ArrayPool<int>.Shared.Rent(4 * n);
        Span<int> previous = rented.AsSpan(0, n), next = rented.AsSpan(n, n); // positions, -1 at the ends
        Span<int> ranks = rented.AsSpan(2 * n, n), results = rented.AsSpan(3 * n, n); // of the pair that begins here
        List<(int, long)> pairs = new(n);
        for (int i = 0; i < n; i++)
        {
            (previous[i], next[i], ranks[i]) = (i - 1, i + 1 < n ? i + 1 : -1, int.MaxValue);
            if (next[i] < 0) break;
            Look(merges, symbols, i, i + 1, ranks, results);
            if (ranks[i] != int.MaxValue) pairs.Add((i, Priority(ranks[i], i)));
        }

        steps = 0;
        PriorityQueue<int, long> queue = new(pairs); // in one go: n steps, not n log n
        while (queue.TryDequeue(out int left, out long priority))
        {
            steps++;
            if ((int)(priority >> 32) != ranks[left]) continue; // the pair has changed since
            int right = next[left], after = next[right];
            symbols[left] = results[left];
            ranks[left] = ranks[right] = int.MaxValue;
            next[left] = after;
            if (after >= 0)
            {
                previous[after] = left;
                Offer(merges, symbols, left, after, ranks, results, queue);
            }
            if (previous[left] >= 0) Offer(merges, symbols, previous[left], left, ranks, results, queue);
        }

        int count = 0;
        for (int i = 0; i >= 0; i = next[i]) symbols[count++] = symbols[i];
        ArrayPool<int>.Shared.Return(rented);
        return count;
    }

    private static void Offer(
        MergeTable merges, Span<int> symbols, int left, int right, Span<int> ranks, Span<int> results, PriorityQueue<int, long> queue)
    {
        Look(merges, symbols, left, right, ranks, results);
        if (ranks[left] != int.MaxValue) queue.Enqueue(left, Priority(ranks[left], left));
    }

    /// <summary>Lowest rank first, then leftmost.</summary>
    private static long Priority(int rank, int position) => ((long)rank << 32) | (uint)position;

    private static void Look(MergeTable merges, Span<int> symbols, int left, int right, Span<int> ranks, Span<int> results)
    {
        if (!merges.TryGet(symbols[left], symbols[right], out ranks[left], out results[left])) ranks[left] = int.MaxValue;
    }
}
