using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Lapidary.Cpu.Gemm;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// Hidden states rounded to bfloat16 (nearest, ties to even), padded with zeros to whole registers, in the order a
/// <see cref="RowTile"/> reads them: tiles of tokens, in a tile step by step, in a step token by token. What a tile reads from the
/// second cache is one stream.
/// </summary>
internal sealed unsafe record BFloat16Form(int Columns) : HiddenForm(Columns)
{
    private const int HalfStep = RowTile.StepColumns / 2; // a register of float32

    public override nint RowBytes => (nint)((Columns + RowTile.StepColumns - 1) / RowTile.StepColumns) * RowTile.StepBytes;

    public override void Write(float* x, nint stride, int from, int to, int tokens, byte* written)
    {
        TokenTiles tiles = new(tokens);
        for (int t = from; t < to; t++)
        {
            int tile = tiles.Of(t), first = tiles.First(tile);
            nint step = (tiles.First(tile + 1) - first) * RowTile.StepBytes;
            WriteToken(x + t * stride, written + first * RowBytes + (t - first) * RowTile.StepBytes, step);
        }
    }

    /// <param name="step">Bytes from one step to the next.</param>
    private void WriteToken(float* row, byte* target, nint step)
    {
        int i = 0;
        for (; i <= Columns - RowTile.StepColumns; i += RowTile.StepColumns, target += step)
        {
            Round(row + i).Store((ushort*)target);
            Round(row + i + HalfStep).Store((ushort*)target + HalfStep);
        }
        if (i == Columns) return;
        float* padded = stackalloc float[RowTile.StepColumns];
        new Span<float>(padded, RowTile.StepColumns).Clear();
        new ReadOnlySpan<float>(row + i, Columns - i).CopyTo(new Span<float>(padded, RowTile.StepColumns));
        Round(padded).Store((ushort*)target);
        Round(padded + HalfStep).Store((ushort*)target + HalfStep);
    }

    private static Vector256<ushort> Round(float* values)
    {
        Vector512<uint> bits = Vector512.Load((uint*)values);
        Vector512<uint> rounded = bits + Vector512.Create(0x7fffu) + ((bits >>> 16) & Vector512.Create(1u));
        return Avx512F.ConvertToVector256UInt16(rounded >>> 16);
    }
}

/// <summary>How a batch falls into tiles: as few as there can be, of even size, the larger ones first.</summary>
internal readonly struct TokenTiles
{
    private readonly int size, larger; // tokens of a tile; tiles that have one more

    public TokenTiles(int tokens)
    {
        Count = (tokens + RowTile.MaxTokens - 1) / RowTile.MaxTokens;
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
