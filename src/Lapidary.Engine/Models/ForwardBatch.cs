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
    private readonly int[] tokenIds, logitRows;
    private readonly int[][] slots, tables;
    private readonly List<(CacheSequence Sequence, Range Tokens)> parts = [];
    private readonly IBuffer[] blockTables;

    public ForwardBatch(IKernels kernels, KeyValueCache cache, int maxTokens, int maxSequences)
    {
        this.kernels = kernels;
        MaxTokens = maxTokens;
        MaxSequences = maxSequences;
        tokenIds = new int[maxTokens];
        logitRows = new int[maxTokens];
        TokenIds = kernels.Allocate(DType.I32, maxTokens, 1);
        LogitRows = kernels.Allocate(DType.I32, maxTokens, 1);

        int groups = cache.Groups.Count;
        slots = new int[groups][];
        tables = new int[groups][];
        Slots = new IBuffer[groups];
        blockTables = new IBuffer[groups];
        for (int g = 0; g < groups; g++)
        {
            int blocks = (cache.ContextLength + cache.Groups[g].BlockSize - 1) / cache.Groups[g].BlockSize;
            slots[g] = new int[maxTokens];
            tables[g] = new int[maxSequences * blocks];
            Slots[g] = kernels.Allocate(DType.I32, maxTokens, 1);
            blockTables[g] = kernels.Allocate(DType.I32, maxSequences, blocks);
        }
        (IBuffer, int)[] tablesOfGroups = [.. blockTables.Zip(cache.Groups, (table, group) => (table, group.BlockSize))];
        All = new StepRows(kernels, maxTokens, tablesOfGroups);
        Logits = new StepRows(kernels, maxTokens, tablesOfGroups);
    }

    /// <summary>Adapter slot of a sequence that uses none.</summary>
    public const int NoAdapter = -1;

    public int MaxTokens { get; }
    public int MaxSequences { get; }

    /// <summary>[t, 1] token ids.</summary>
    public IBuffer TokenIds { get; }

    /// <summary>The t tokens added so far.</summary>
    public StepRows All { get; }

    /// <summary>The r of them that get logits, in the order they were added.</summary>
    public StepRows Logits { get; }

    /// <summary>[r, 1] which rows of the step those are.</summary>
    public IBuffer LogitRows { get; }

    /// <summary>For each cache group, [t, 1]: the cache row each token's keys and values go to.</summary>
    public IBuffer[] Slots { get; }

    public void Clear()
    {
        All.Clear();
        Logits.Clear();
        parts.Clear();
    }

    /// <summary>Adds the next tokens of a sequence; takes the cache blocks they need.</summary>
    /// <param name="adapterSlot">The same for all tokens of a sequence: cached keys and values are those of its adapter.</param>
    /// <param name="draft">Tokens that may follow. They are computed too, but the sequence does not go on with them yet.</param>
    public void Add(
        CacheSequence sequence, ReadOnlySpan<int> tokens, LogitRows rows, int adapterSlot = NoAdapter, ReadOnlySpan<int> draft = default)
    {
        int first = All.Count, count = tokens.Length + draft.Length;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first + count, MaxTokens);
        sequence.Reserve(count);
        tokens.CopyTo(tokenIds.AsSpan(first));
        draft.CopyTo(tokenIds.AsSpan(first + tokens.Length));
        for (int i = 0; i < count; i++)
        {
            int position = sequence.Length + i;
            for (int g = 0; g < slots.Length; g++) slots[g][first + i] = sequence.Slot(g, position);
            bool logits = rows == Models.LogitRows.All || (rows == Models.LogitRows.Last && i == count - 1);
            AddRow(position, seen: position, adapterSlot, logits);
        }
        AddPart(sequence, first..(first + tokens.Length));
    }

    /// <summary>Adds the next token of a sequence as a query only: it sees what the sequence holds, leaves no keys and values, and gets logits.</summary>
    public void AddQuery(CacheSequence sequence, int token)
    {
        int row = All.Count;
        tokenIds[row] = token;
        AddRow(sequence.Length, seen: sequence.Length - 1, NoAdapter, logits: true);
        AddPart(sequence, row..row);
    }

    /// <summary>The same queries for other tokens, one for each row.</summary>
    public void Replace(ReadOnlySpan<int> tokens) => tokens.CopyTo(tokenIds);

    private void AddRow(int position, int seen, int adapterSlot, bool logits)
    {
        if (logits)
        {
            logitRows[Logits.Count] = All.Count;
            Logits.Add(position, seen, parts.Count, adapterSlot);
        }
        All.Add(position, seen, parts.Count, adapterSlot);
    }

    /// <param name="tokens">Those that the sequence goes on with.</param>
    private void AddPart(CacheSequence sequence, Range tokens)
    {
        for (int g = 0; g < tables.Length; g++) sequence.Table(g).CopyTo(tables[g].AsSpan(parts.Count * blockTables[g].Columns));
        parts.Add((sequence, tokens));
    }

    /// <summary>Copies the metadata to the device.</summary>
    public void Upload()
    {
        kernels.Write(TokenIds, tokenIds.AsSpan(0, All.Count));
        kernels.Write(LogitRows, logitRows.AsSpan(0, Logits.Count));
        All.Upload();
        Logits.Upload();
        for (int g = 0; g < slots.Length; g++)
        {
            kernels.Write(Slots[g], slots[g].AsSpan(0, All.Count));
            kernels.Write(blockTables[g], tables[g].AsSpan(0, parts.Count * blockTables[g].Columns));
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
        LogitRows.Dispose();
        All.Dispose();
        Logits.Dispose();
        foreach (IBuffer buffer in Slots) buffer.Dispose();
        foreach (IBuffer buffer in blockTables) buffer.Dispose();
    }
}
