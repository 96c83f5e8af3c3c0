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
    public void Select(ReadOnlySpan<float> logits, int k, float floor)
    {
        if (k > ids.Length) (ids, values) = (new int[k], new float[k]);
        count = 0;
        float least = MathF.Max(floor, float.MinValue);
        int i = 0;
        for (; i < logits.Length && count < k; i++)
            if (logits[i] >= least) Push(i, logits[i]);
        if (count == k && k > 0)
            // A later equal does not displace an earlier one: ties go to the lower id.
            for (; i < logits.Length; i++)
                if (logits[i] > values[0]) ReplaceLeast(i, logits[i]);
        Sort();
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
