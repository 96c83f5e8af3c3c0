using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Lapidary.Cpu.Gemm;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// Hidden states rounded to bfloat16 (nearest, ties to even) as a <see cref="RowTile"/> reads them: tiles of tokens, in a tile step
/// by step of 32 columns, in a step token by token; padded with zeros to whole steps. What a tile reads from the second cache is
/// one stream.
/// </summary>
internal sealed unsafe record BFloat16Form(int Columns) : HiddenForm(Columns)
{
    private const int StepColumns = RowTile.StepColumns, HalfStep = StepColumns / 2; // a register of float32

    public override nint RowBytes => (nint)((Columns + StepColumns - 1) / StepColumns) * RowTile.StepBytes;

    public override void Write(float* x, nint stride, int from, int to, int tokens, byte* written)
    {
        TokenTiles tiles = new(tokens, RowTile.MaxTokens);
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
        for (; i <= Columns - StepColumns; i += StepColumns, target += step) WriteStep(row + i, target);
        if (i == Columns) return;
        float* padded = stackalloc float[StepColumns];
        new Span<float>(padded, StepColumns).Clear();
        new ReadOnlySpan<float>(row + i, Columns - i).CopyTo(new Span<float>(padded, StepColumns));
        WriteStep(padded, target);
    }

    private static void WriteStep(float* values, byte* target)
    {
        Round(values).Store((ushort*)target);
        Round(values + HalfStep).Store((ushort*)target + HalfStep);
    }

    private static Vector256<ushort> Round(float* values)
    {
        Vector512<uint> bits = Vector512.Load((uint*)values);
        Vector512<uint> rounded = bits + Vector512.Create(0x7fffu) + ((bits >>> 16) & Vector512.Create(1u));
        return Avx512F.ConvertToVector256UInt16(rounded >>> 16);
    }
}
