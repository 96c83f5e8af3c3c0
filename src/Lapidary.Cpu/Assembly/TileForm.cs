using Lapidary.Cpu.Gemm;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// Hidden states as the tiles of a kernel read them: tiles of tokens, in a tile step by step of so many columns, in a step token by
/// token; padded with zeros to whole steps of 32 columns. What a tile reads from the second cache is one stream.
/// </summary>
/// <param name="MaxTokens">Of a tile.</param>
/// <param name="StepColumns">Of a step: 32, or what divides it.</param>
/// <param name="ElementBytes">Of a hidden state.</param>
internal abstract unsafe record TileForm(int Columns, int MaxTokens, int StepColumns, int ElementBytes) : HiddenForm(Columns)
{
    protected const int ColumnsTogether = 32;

    private readonly int stepBytes = StepColumns * ElementBytes;

    public override nint RowBytes => (nint)((Columns + ColumnsTogether - 1) / ColumnsTogether) * ColumnsTogether * ElementBytes;

    public override void Write(float* x, nint stride, int from, int to, int tokens, byte* written)
    {
        TokenTiles tiles = new(tokens, MaxTokens);
        for (int t = from; t < to; t++)
        {
            int tile = tiles.Of(t), first = tiles.First(tile);
            nint step = (tiles.First(tile + 1) - first) * stepBytes;
            WriteToken(x + t * stride, written + first * RowBytes + (t - first) * stepBytes, step);
        }
    }

    /// <summary>Writes 32 columns.</summary>
    /// <param name="step">Bytes from one step to the next.</param>
    protected abstract void WriteTogether(float* values, byte* target, nint step);

    private void WriteToken(float* row, byte* target, nint step)
    {
        int i = 0;
        for (; i <= Columns - ColumnsTogether; i += ColumnsTogether, target += step * ColumnsTogether / StepColumns) WriteTogether(row + i, target, step);
        if (i == Columns) return;
        float* padded = stackalloc float[ColumnsTogether];
        new Span<float>(padded, ColumnsTogether).Clear();
        new ReadOnlySpan<float>(row + i, Columns - i).CopyTo(new Span<float>(padded, ColumnsTogether));
        WriteTogether(padded, target, step);
    }
}
