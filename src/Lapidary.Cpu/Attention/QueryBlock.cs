namespace Lapidary.Cpu.Attention;

/// <summary>Up to 8 queries, each one head of one token, of one sequence, that share a head of keys and values.</summary>
internal unsafe struct QueryBlock
{
    public const int MaxQueries = 8, TileKeys = 64;

    private fixed int firsts[MaxQueries], ends[MaxQueries];

    /// <param name="queries">[<see cref="MaxQueries"/>, dim], to be filled</param>
    /// <param name="dim">Columns of a head, padded.</param>
    public QueryBlock(float* queries, int dim)
    {
        Queries = queries;
        Dim = dim;
    }

    public float* Queries { get; }
    public int Dim { get; }
    public int Count { get; private set; }

    /// <summary>First position that any of the queries sees, and the end of those.</summary>
    public int First { get; private set; }

    /// <inheritdoc cref="First"/>
    public int End { get; private set; }

    /// <summary>First position that a query sees.</summary>
    public readonly int FirstOf(int query) => firsts[query];

    /// <summary>First position after those that a query sees.</summary>
    public readonly int EndOf(int query) => ends[query];

    /// <summary>Whether the first position that a query sees lies in the chunk.</summary>
    public readonly bool BeginsIn(int query, int from, int to) => firsts[query] >= from && firsts[query] < to;

    /// <summary>Whether a query that began in an earlier chunk sees positions of this one.</summary>
    public readonly bool ContinuesIn(int query, int from) => firsts[query] < from && ends[query] > from;

    /// <summary>Of that many queries, how many the next kernel takes: 4, 2 or 1.</summary>
    public static int Together(int queries) => queries >= 4 ? 4 : queries >= 2 ? 2 : 1;

    public void Clear() => Count = 0;

    public void Add(float* query, int headDim, int first, int end)
    {
        Span<float> row = new(Queries + (nint)Count * Dim, Dim);
        new ReadOnlySpan<float>(query, headDim).CopyTo(row);
        row[headDim..].Clear();
        First = Count == 0 ? first : Math.Min(First, first);
        End = Count == 0 ? end : Math.Max(End, end);
        (firsts[Count], ends[Count]) = (first, end);
        Count++;
    }
}
