using System.Numerics;

namespace Lapidary.Sampling;

/// <summary>The k largest logits of a row, by descending logit and ascending id. Holds its memory from step to step.</summary>
internal sealed class Candidates
{
    private int[] ids;
    private float[] values;
    private int count;

    public Candidates(int capacity)
    {
        ids = new int[capacity];
        values = new float[capacity];
    }

    public ReadOnlySpan<int> Ids => ids.AsSpan(0, count);
    public ReadOnlySpan<float> Values => values.AsSpan(0, count);

    /// <summary>Takes the k largest that are at least <paramref name="floor"/> and above -∞, sorted.</summary>
    /// <param name="maxima">Largest logit of every block.</param>
    public void Select(ReadOnlySpan<float> logits, ReadOnlySpan<float> maxima, int k, float floor)
    {
        if (k > ids.Length) (ids, values) = (new int[k], new float[k]);
        count = 0;
        if (k == 0) return;
        float least = MathF.Max(floor, float.MinValue);
        if (k < maxima.Length)
        {
            // The k-th largest maximum: k logits are at least that large, so no smaller one is among the k largest.
            least = MathF.Max(least, Take(maxima, 0, k, least));
            count = 0;
        }
        for (int block = 0; block < maxima.Length; block++)
        {
            if (maxima[block] < least) continue;
            least = MathF.Max(least, Take(Logits.Block(logits, block), block * Logits.BlockSize, k, least));
        }
        Sort();
    }

    /// <summary>Offers a block's logits.</summary>
    /// <returns>The least that a logit of a later block must be: the least candidate once there are k.</returns>
    private float Take(ReadOnlySpan<float> block, int firstId, int k, float least)
    {
        int i = 0;
        for (; i <= block.Length - 8; i += 8)
        {
            uint mask = Logits.AtLeast(block.Slice(i, 8), least);
            if (mask == 0) continue;
            for (; mask != 0; mask &= mask - 1)
            {
                int at = i + BitOperations.TrailingZeroCount(mask);
                Offer(firstId + at, block[at], k, least);
            }
            if (count == k) least = MathF.Max(least, values[0]);
        }
        for (; i < block.Length; i++) Offer(firstId + i, block[i], k, least);
        return count == k ? values[0] : float.NegativeInfinity;
    }

    private void Offer(int id, float value, int k, float least)
    {
        if (value < least) return;
        if (count < k) Push(id, value);
        else if (value > values[0]) ReplaceLeast(id, value); // a later equal does not displace an earlier one: ties go to the lower id
    }

    // A heap with the least candidate on top: the smaller logit, and of equals the larger id.
    private bool IsLess(int a, int b) => values[a] < values[b] || (values[a] == values[b] && ids[a] > ids[b]);

    private void Push(int id, float value)
    {
        int child = count++;
        (ids[child], values[child]) = (id, value);
        for (int parent = (child - 1) / 2; child > 0 && IsLess(child, parent); child = parent, parent = (child - 1) / 2) Swap(child, parent);
    }

    private void ReplaceLeast(int id, float value)
    {
        (ids[0], values[0]) = (id, value);
        Sink(count);
    }

    private void Sink(int size)
    {
        for (int parent = 0; ;)
        {
            int child = 2 * parent + 1;
            if (child >= size) return;
            if (child + 1 < size && IsLess(child + 1, child)) child++;
            if (!IsLess(child, parent)) return;
            Swap(child, parent);
            parent = child;
        }
    }

    /// <summary>Heap sort: the least goes to the end, so the largest comes first.</summary>
    private void Sort()
    {
        for (int end = count - 1; end > 0; end--)
        {
            Swap(0, end);
            Sink(end);
        }
    }

    private void Swap(int a, int b) => (ids[a], values[a], ids[b], values[b]) = (ids[b], values[b], ids[a], values[a]);
}
