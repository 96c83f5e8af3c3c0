using Lapidary.KvCache;

namespace Lapidary.Models;

/// <summary>Which tokens of a sequence's part of a step get logits.</summary>
public enum LogitRows
{
    None,
    Last,
    All,
}

/// <summary>
/// One step's tokens, ragged over sequences, and where their keys and values lie. Host metadata, copied to the device once
/// a step; reused from step to step without allocation.
/// </summary>
public sealed class ForwardBatch : IDisposable
{
    private readonly IKernels kernels;
    private readonly KeyValueCache cache;
    private readonly int[] tokenIds, positions, lastSeen, sequences, logitRows, adapterSlots, logitAdapterSlots;
    private readonly int[][] slots, tables;
    private readonly List<(CacheSequence Sequence, Range Tokens)> parts = [];
    private readonly IBuffer sequenceBuffer, lastSeenBuffer;

    public ForwardBatch(IKernels kernels, KeyValueCache cache, int maxTokens, int maxSequences)
    {
        this.kernels = kernels;
        this.cache = cache;
        MaxTokens = maxTokens;
        MaxSequences = maxSequences;
        tokenIds = new int[maxTokens];
        positions = new int[maxTokens];
        lastSeen = new int[maxTokens];
        sequences = new int[maxTokens];
        logitRows = new int[maxTokens];
        adapterSlots = new int[maxTokens];
        logitAdapterSlots = new int[maxTokens];
        TokenIds = kernels.Allocate(DType.I32, maxTokens, 1);
        Positions = kernels.Allocate(DType.I32, maxTokens, 1);
        lastSeenBuffer = kernels.Allocate(DType.I32, maxTokens, 1);
        sequenceBuffer = kernels.Allocate(DType.I32, maxTokens, 1);
        LogitRows = kernels.Allocate(DType.I32, maxTokens, 1);
        AdapterSlots = kernels.Allocate(DType.I32, maxTokens, 1);
        LogitAdapterSlots = kernels.Allocate(DType.I32, maxTokens, 1);

        int groups = cache.Groups.Count;
        slots = new int[groups][];
        tables = new int[groups][];
        Slots = new IBuffer[groups];
        Attention = new AttentionBatch[groups];
        for (int g = 0; g < groups; g++)
        {
            int blocks = (cache.ContextLength + cache.Groups[g].BlockSize - 1) / cache.Groups[g].BlockSize;
            slots[g] = new int[maxTokens];
            tables[g] = new int[maxSequences * blocks];
            Slots[g] = kernels.Allocate(DType.I32, maxTokens, 1);
            Attention[g] = new AttentionBatch(
                lastSeenBuffer, sequenceBuffer, kernels.Allocate(DType.I32, maxSequences, blocks), cache.Groups[g].BlockSize);
        }
    }

    /// <summary>Adapter slot of a sequence that uses none.</summary>
    public const int NoAdapter = -1;

    public int MaxTokens { get; }
    public int MaxSequences { get; }

    /// <summary>Tokens added so far.</summary>
    public int Tokens { get; private set; }

    /// <summary>Rows that get logits, in the order they were added.</summary>
    public int LogitCount { get; private set; }

    /// <summary>[t, 1] token ids.</summary>
    public IBuffer TokenIds { get; }

    /// <summary>[t, 1] position of each token in its sequence.</summary>
    public IBuffer Positions { get; }

    /// <summary>[r, 1] rows of the step that get logits.</summary>
    public IBuffer LogitRows { get; }

    /// <summary>[t, 1] adapter slot of each token, or <see cref="NoAdapter"/>.</summary>
    public IBuffer AdapterSlots { get; }

    /// <summary>[r, 1] adapter slot of each row that gets logits.</summary>
    public IBuffer LogitAdapterSlots { get; }

    /// <summary>Whether any token of the step uses an adapter.</summary>
    public bool UsesAdapters { get; private set; }

    /// <summary>For each cache group, [t, 1]: the cache row each token's keys and values go to.</summary>
    public IBuffer[] Slots { get; }

    /// <summary>For each cache group: what each token attends to.</summary>
    public AttentionBatch[] Attention { get; }

    public void Clear()
    {
        Tokens = LogitCount = 0;
        UsesAdapters = false;
        parts.Clear();
    }

    /// <summary>Adds the next tokens of a sequence; takes the cache blocks they need.</summary>
    /// <param name="adapterSlot">The same for all tokens of a sequence: cached keys and values are those of its adapter.</param>
    /// <param name="draft">Tokens that may follow. They are computed too, but the sequence does not go on with them yet.</param>
    public void Add(
        CacheSequence sequence, ReadOnlySpan<int> tokens, LogitRows rows, int adapterSlot = NoAdapter, ReadOnlySpan<int> draft = default)
    {
        int count = tokens.Length + draft.Length;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Tokens + count, MaxTokens);
        sequence.Reserve(count);
        tokens.CopyTo(tokenIds.AsSpan(Tokens));
        draft.CopyTo(tokenIds.AsSpan(Tokens + tokens.Length));
        for (int i = 0; i < count; i++)
        {
            int row = Tokens + i, position = sequence.Length + i;
            positions[row] = lastSeen[row] = position;
            sequences[row] = parts.Count;
            adapterSlots[row] = adapterSlot;
            for (int g = 0; g < slots.Length; g++) slots[g][row] = sequence.Slot(g, position);
            if (rows == Models.LogitRows.None || (rows == Models.LogitRows.Last && i < count - 1)) continue;
            logitAdapterSlots[LogitCount] = adapterSlot;
            logitRows[LogitCount++] = row;
        }
        AddPart(sequence, tokens.Length, count);
        UsesAdapters |= adapterSlot != NoAdapter;
    }

    /// <summary>Adds the next token of a sequence as a query only: it sees what the sequence holds, leaves no keys and values, and gets logits.</summary>
    public void AddQuery(CacheSequence sequence, int token)
    {
        tokenIds[Tokens] = token;
        positions[Tokens] = sequence.Length;
        lastSeen[Tokens] = sequence.Length - 1;
        sequences[Tokens] = parts.Count;
        logitRows[LogitCount++] = Tokens;
        AddPart(sequence, advance: 0, count: 1);
    }

    /// <summary>The same queries for other tokens, one for each row.</summary>
    public void Replace(ReadOnlySpan<int> tokens) => tokens.CopyTo(tokenIds);

    private void AddPart(CacheSequence sequence, int advance, int count)
    {
        for (int g = 0; g < tables.Length; g++)
            sequence.Table(g).CopyTo(tables[g].AsSpan(parts.Count * Attention[g].BlockTables.Columns));
        parts.Add((sequence, Tokens..(Tokens + advance)));
        Tokens += count;
    }

    /// <summary>Copies the metadata to the device.</summary>
    public void Upload()
    {
        kernels.Write(TokenIds, tokenIds.AsSpan(0, Tokens));
        kernels.Write(Positions, positions.AsSpan(0, Tokens));
        kernels.Write(lastSeenBuffer, lastSeen.AsSpan(0, Tokens));
        kernels.Write(sequenceBuffer, sequences.AsSpan(0, Tokens));
        kernels.Write(LogitRows, logitRows.AsSpan(0, LogitCount));
        if (UsesAdapters)
        {
            kernels.Write(AdapterSlots, adapterSlots.AsSpan(0, Tokens));
            kernels.Write(LogitAdapterSlots, logitAdapterSlots.AsSpan(0, LogitCount));
        }
        for (int g = 0; g < slots.Length; g++)
        {
            kernels.Write(Slots[g], slots[g].AsSpan(0, Tokens));
            kernels.Write(Attention[g].BlockTables, tables[g].AsSpan(0, parts.Count * Attention[g].BlockTables.Columns));
        }
    }

    /// <summary>The step has been computed: every sequence is longer by its tokens, drafts not counted.</summary>
    public void Advance()
    {
        foreach ((CacheSequence sequence, Range tokens) in parts) sequence.Advance(tokenIds.AsSpan(tokens));
    }

    public void Dispose()
    {
        TokenIds.Dispose();
        Positions.Dispose();
        lastSeenBuffer.Dispose();
        sequenceBuffer.Dispose();
        LogitRows.Dispose();
        AdapterSlots.Dispose();
        LogitAdapterSlots.Dispose();
        for (int g = 0; g < Slots.Length; g++)
        {
            Slots[g].Dispose();
            Attention[g].BlockTables.Dispose();
        }
    }
}
