namespace Lapidary.Server.Tests;

/// <summary>What a device is to do wrong, each once.</summary>
internal sealed class Faults
{
    private int sampling, step;

    /// <summary>The next sampler that looks at its logits fails.</summary>
    public void FailSampling() => Volatile.Write(ref sampling, 1);

    /// <summary>The next step fails.</summary>
    public void FailStep() => Volatile.Write(ref step, 1);

    public bool TakeSampling() => Interlocked.Exchange(ref sampling, 0) == 1;

    public bool TakeStep() => Interlocked.Exchange(ref step, 0) == 1;
}

/// <summary>A device with faults; also, the hidden state of one token is no number.</summary>
internal sealed class FaultyKernels(IKernels inner, Faults faults, int poison, int vocabSize) : ForwardingKernels(inner)
{

    public override void Embed(IEmbedding table, IBuffer ids, float scale, IBuffer output)
    {
        base.Embed(table, ids, scale, output);
        int[] tokens = new int[ids.Rows * ids.Columns];
        Read(ids, tokens);
        for (int row = 0; row < tokens.Length; row++)
            if (tokens[row] == poison) base.HostRow(output, row).Fill(float.NaN);
    }

    public override Span<float> HostRow(IBuffer buffer, int row)
    {
        if (buffer.Columns == vocabSize && faults.TakeSampling()) throw new InvalidOperationException("the sampler broke");
        return base.HostRow(buffer, row);
    }

    public override void RotaryTable(IBuffer positions, IBuffer inverseFrequencies, IBuffer cosSin)
    {
        if (faults.TakeStep()) throw new InvalidOperationException("a launch failed");
        base.RotaryTable(positions, inverseFrequencies, cosSin);
    }
}
