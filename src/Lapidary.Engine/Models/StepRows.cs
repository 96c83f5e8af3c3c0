namespace Lapidary.Models;

/// <summary>What layers know of the rows that they compute: a step's tokens, or those of them that get logits. n rows in use.</summary>
public sealed class StepRows : IDisposable
{
    private readonly IKernels kernels;
    private readonly int[] positions, lastSeen, sequences, adapterSlots;
    private readonly IBuffer lastSeenBuffer, sequenceBuffer;

    /// <param name="blockTables">For each cache group, its sequences' blocks and how many positions a block has.</param>
    internal StepRows(IKernels kernels, int maxRows, IReadOnlyList<(IBuffer Tables, int BlockSize)> blockTables)
    {
        this.kernels = kernels;
        positions = new int[maxRows];
        lastSeen = new int[maxRows];
        sequences = new int[maxRows];
        adapterSlots = new int[maxRows];
        Positions = kernels.Allocate(DType.I32, maxRows, 1);
        lastSeenBuffer = kernels.Allocate(DType.I32, maxRows, 1);
        sequenceBuffer = kernels.Allocate(DType.I32, maxRows, 1);
        AdapterSlots = kernels.Allocate(DType.I32, maxRows, 1);
        Attention = [.. blockTables.Select(group => new AttentionBatch(lastSeenBuffer, sequenceBuffer, group.Tables, group.BlockSize))];
    }

    public int Count { get; private set; }

    /// <summary>[n, 1] position of each row's token in its sequence.</summary>
    public IBuffer Positions { get; }

    /// <summary>[n, 1] adapter slot of each row, or <see cref="ForwardBatch.NoAdapter"/>.</summary>
    public IBuffer AdapterSlots { get; }

    /// <summary>Whether any row uses an adapter.</summary>
    public bool UsesAdapters { get; private set; }

    /// <summary>For each cache group: what each row attends to.</summary>
    public AttentionBatch[] Attention { get; }

    internal void Clear()
    {
        Count = 0;
        UsesAdapters = false;
    }

    /// <param name="seen">The last position it sees.</param>
    /// <param name="sequence">Its row of the block tables.</param>
    internal void Add(int position, int seen, int sequence, int adapterSlot)
    {
        positions[Count] = position;
        lastSeen[Count] = seen;
        sequences[Count] = sequence;
        adapterSlots[Count++] = adapterSlot;
        UsesAdapters |= adapterSlot != ForwardBatch.NoAdapter;
    }

    internal void Upload()
    {
        kernels.Write(Positions, positions.AsSpan(0, Count));
        kernels.Write(lastSeenBuffer, lastSeen.AsSpan(0, Count));
        kernels.Write(sequenceBuffer, sequences.AsSpan(0, Count));
        if (UsesAdapters) kernels.Write(AdapterSlots, adapterSlots.AsSpan(0, Count));
    }

    public void Dispose()
    {
        Positions.Dispose();
        lastSeenBuffer.Dispose();
        sequenceBuffer.Dispose();
        AdapterSlots.Dispose();
    }
}
