using Lapidary.KvCache;
using Lapidary.Lora;
using Lapidary.Models;

namespace Lapidary.Tests.Scheduling;

/// <summary>
/// A model whose logits are a hash of what it reads through block tables and slots. Full group: each position holds a hash
/// of all tokens up to it, made from the position before. Sliding group: each position holds its token; a query folds its
/// window. A row that is lost, overwritten or mixed up changes every later token.
/// </summary>
internal sealed class FakeModel : IModel, IDisposable
{
    public const int Vocab = 40;

    private readonly IKernels kernels;
    private readonly int window;
    private readonly (long Value, int Position)[][] memory;
    private readonly IBuffer logits;

    public FakeModel(IKernels kernels, KeyValueCache cache, int maxStepTokens, int maxLogitRows)
    {
        this.kernels = kernels;
        MaxStepTokens = maxStepTokens;
        MaxLogitRows = maxLogitRows;
        window = cache.Groups[KeyValueCache.SlidingGroup].Window!.Value;
        memory = [.. cache.Groups.Select(g => new (long, int)[g.Pool.Blocks * g.BlockSize])];
        Adapters = new LoraAdapters(kernels, new LoraSites(slots: 0));
        logits = kernels.Allocate(DType.F32, maxLogitRows, Vocab);
    }

    public int VocabSize => Vocab;
    public LoraAdapters Adapters { get; }
    public int MaxStepTokens { get; }
    public IBuffer LastHidden => logits;
    public int MaxLogitRows { get; }

    /// <summary>Tokens computed so far.</summary>
    public long Computed { get; private set; }

    /// <summary>The tokens of the last step that belong to each sequence, in the order of the step.</summary>
    public List<int> PartLengths { get; } = [];

    /// <summary>Rows after this token are NaN; null for none.</summary>
    public int? PoisonToken { get; init; }

    /// <summary>Positions copied so far, in all groups.</summary>
    public long Copied { get; private set; }

    /// <summary>Called before each copy; may throw.</summary>
    public Action? BeforeCopy { get; set; }

    /// <summary>Called before each step; may throw.</summary>
    public Action? BeforeStep { get; set; }

    public void Copy(BlockCopy copy, KeyValueCache cache)
    {
        BeforeCopy?.Invoke();
        int size = cache.Groups[copy.Group].BlockSize;
        Array.Copy(memory[copy.Group], copy.From * size, memory[copy.Group], copy.To * size, copy.Positions);
        Copied += copy.Positions;
    }

    public IBuffer Forward(ForwardBatch batch, KeyValueCache cache)
    {
        BeforeStep?.Invoke();
        batch.Upload();
        Computed += batch.All.Count;
        int[] tokens = Ints(batch.TokenIds), positions = Ints(batch.All.Positions), sequences = Ints(batch.All.Attention[0].Sequences), rows = Ints(batch.LogitRows);
        int[][] slots = [.. batch.Slots.Select(Ints)], tables = [.. batch.All.Attention.Select(a => Ints(a.BlockTables))];
        PartLengths.Clear();
        PartLengths.AddRange(sequences.GroupBy(s => s).Select(g => g.Count()));
        long[] outputs = new long[tokens.Length];
        for (int t = 0; t < tokens.Length; t++)
        {
            long before = positions[t] == 0 ? 0 : Read(KeyValueCache.FullGroup, positions[t] - 1);
            long prefix = Mix(before, tokens[t]);
            memory[KeyValueCache.FullGroup][slots[KeyValueCache.FullGroup][t]] = (prefix, positions[t]);
            memory[KeyValueCache.SlidingGroup][slots[KeyValueCache.SlidingGroup][t]] = (tokens[t], positions[t]);
            long seen = 0;
            for (int p = Math.Max(0, positions[t] - window + 1); p <= positions[t]; p++) seen = Mix(seen, Read(KeyValueCache.SlidingGroup, p));
            outputs[t] = Mix(prefix, seen);

            long Read(int group, int position)
            {
                int columns = batch.All.Attention[group].BlockTables.Columns, size = batch.All.Attention[group].BlockSize;
                (long value, int stored) = memory[group][tables[group][sequences[t] * columns + position / size] * size + position % size];
                Assert.Equal(position, stored);
                return value;
            }
        }
        batch.Advance();
        logits.Rows = rows.Length;
        for (int r = 0; r < rows.Length; r++)
        {
            Write(outputs[rows[r]], kernels.HostRow(logits, r));
            if (tokens[rows[r]] == PoisonToken) kernels.HostRow(logits, r)[3] = float.NaN;
        }
        return logits;
    }

    /// <summary>The logits after these tokens, from their definition.</summary>
    public static float[] Logits(ReadOnlySpan<int> tokens, int window)
    {
        long prefix = 0, seen = 0;
        foreach (int token in tokens) prefix = Mix(prefix, token);
        for (int p = Math.Max(0, tokens.Length - window); p < tokens.Length; p++) seen = Mix(seen, tokens[p]);
        float[] row = new float[Vocab];
        Write(Mix(prefix, seen), row);
        return row;
    }

    public void Dispose() => logits.Dispose();

    private static void Write(long hash, Span<float> row)
    {
        for (int v = 0; v < row.Length; v++) row[v] = (Mix(hash, v) & 0xffff) / 8192f;
    }

    private static long Mix(long state, long value)
    {
        ulong z = unchecked((ulong)(state * 31 + value) * 0x9E3779B97F4A7C15);
        z = (z ^ (z >> 29)) * 0xBF58476D1CE4E5B9;
        return (long)(z ^ (z >> 32));
    }

    private int[] Ints(IBuffer buffer)
    {
        int[] values = new int[buffer.Rows * buffer.Columns];
        kernels.Read(buffer, values);
        return values;
    }
}
