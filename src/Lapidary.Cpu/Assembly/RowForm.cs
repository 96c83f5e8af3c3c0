using Lapidary.Cpu.Gemm;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// Hidden states as kernels over stored rows read them: tiles of tokens, in a tile step by step of 32 columns, in a step token by
/// token; padded with zeros to whole steps. What a tile reads from the second cache is one stream.
/// </summary>
/// <param name="MaxTokens">Of a tile.</param>
/// <param name="StepBytes">Of a token.</param>
internal abstract unsafe record RowForm(int Columns, int MaxTokens, int StepBytes) : HiddenForm(Columns)
{
    public const int StepColumns = 32;

    public override nint RowBytes => (nint)((Columns + StepColumns - 1) / StepColumns) * StepBytes;

    public override void Write(float* x, nint stride, int from, int to, int tokens, byte* written)
    {
        TokenTiles tiles = new(tokens, MaxTokens);
        for (int t = from; t < to; t++)
        {
            int tile = tiles.Of(t), first = tiles.First(tile);
            nint step = (tiles.First(tile + 1) - first) * StepBytes;
            WriteToken(x + t * stride, written + first * RowBytes + (t - first) * StepBytes, step);
        }
    }

    /// <summary>Writes 32 values.</summary>
    protected abstract void WriteStep(float* values, byte* target);

    /// <param name="step">Bytes from one step to the next.</param>
    private void WriteToken(float* row, byte* target, nint step)
    {
        int i = 0;
        for (; i <= Columns - StepColumns; i += StepColumns, target += step) WriteStep(row + i, target);
        if (i == Columns) return;
        float* padded = stackalloc float[StepColumns];
        new Span<float>(padded, StepColumns).Clear();
        new ReadOnlySpan<float>(row + i, Columns - i).CopyTo(new Span<float>(padded, StepColumns));
        WriteStep(padded, target);
    }
}

/// <summary>How a batch falls into tiles: as few as there can be, of even size, the larger ones first.</summary>
internal readonly struct TokenTiles
{
    private readonly int size, larger; // tokens of a tile; tiles that have one more

    /// <param name="most">Tokens of a tile.</param>
    public TokenTiles(int tokens, int most)
    {
        Count = (tokens + most - 1) / most;
        (size, larger) = Count == 0 ? (0, 0) : Math.DivRem(tokens, Count);
    }

    public int Count { get; }

    /// <summary>First token of a tile; that of the tile after the last is the end.</summary>
    public int First(int tile) => tile * size + Math.Min(tile, larger);

    /// <summary>The tile that a token is in.</summary>
    public int Of(int token)
    {
        int ofLarger = larger * (size + 1);
        return token < ofLarger ? token / (size + 1) : larger + (token - ofLarger) / size;
    }
}
