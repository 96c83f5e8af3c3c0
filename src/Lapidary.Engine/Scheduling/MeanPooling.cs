namespace Lapidary.Scheduling;

/// <summary>Sums the last hidden states of a prompt while it is computed; gives their mean, of length 1, to the handle when complete.</summary>
internal sealed class MeanPooling(RequestHandle handle)
{
    private readonly int length = handle.Request.PromptIds.Length;
    private double[] sums = [];
    private int known;

    public bool IsComplete => known == length;

    /// <param name="hidden">[r, h] rows after the final norm.</param>
    /// <param name="row">Row of the token at <paramref name="position"/>; the following rows follow it.</param>
    public void Read(IKernels kernels, IBuffer hidden, int row, int position, int count)
    {
        if (sums.Length == 0) sums = new double[hidden.Columns];
        for (int next = position; next < position + count; next++, row++)
        {
            if (next < known) continue; // computed once more after a preemption
            ReadOnlySpan<float> values = kernels.HostRow(hidden, row);
            for (int i = 0; i < sums.Length; i++) sums[i] += values[i];
            known = next + 1;
        }
        if (IsComplete) handle.Embedding = Unit();
    }

    private float[] Unit()
    {
        double norm = Math.Sqrt(sums.Sum(sum => sum * sum));
        if (!double.IsFinite(norm) || norm == 0) throw new LogitsException("the model's hidden states are not numbers");
        return [.. sums.Select(sum => (float)(sum / norm))];
    }
}
