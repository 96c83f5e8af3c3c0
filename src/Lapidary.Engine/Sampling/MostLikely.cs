namespace Lapidary.Sampling;

/// <summary>The id of the largest logit of each row, the lowest of equals. Holds its memory from step to step.</summary>
internal sealed class MostLikely(IKernels kernels, int vocabSize, int maxRows) : IHostWork
{
    private readonly int blocks = Logits.Blocks(vocabSize);
    private readonly float[] maxima = new float[maxRows * Logits.Blocks(vocabSize)];
    private readonly int[] ids = new int[maxRows];
    private IBuffer? logits;

    /// <param name="logits">[r, vocab]</param>
    /// <returns>[r]; 0 for a row that holds no number. Valid until the next call.</returns>
    public ReadOnlySpan<int> Of(IBuffer logits)
    {
        this.logits = logits;
        kernels.OnHost(this, logits.Rows, (long)logits.Rows * vocabSize);
        return ids.AsSpan(0, logits.Rows);
    }

    void IHostWork.Run(int item)
    {
        Span<float> own = maxima.AsSpan(item * blocks, blocks);
        ReadOnlySpan<float> row = kernels.HostRow(logits!, item);
        float max = Logits.Maxima(row, own);
        ids[item] = float.IsNaN(max) ? 0 : Logits.First(row, own, max);
    }
}
