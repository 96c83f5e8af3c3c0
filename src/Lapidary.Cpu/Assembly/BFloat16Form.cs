using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Lapidary.Cpu.Gemm;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// Hidden states rounded to bfloat16 (nearest, ties to even) as a <see cref="RowTile"/> or a <see cref="PairTile"/> reads them: tiles of
/// tokens, in a tile step by step of so many columns, in a step token by token; padded with zeros to whole steps of 32 columns. What
/// a tile reads from the second cache is one stream.
/// </summary>
/// <param name="MaxTokens">Of a tile.</param>
/// <param name="StepColumns">Of a step: 32 or 4.</param>
internal sealed unsafe record BFloat16Form(int Columns, int MaxTokens, int StepColumns) : HiddenForm(Columns)
{
    private const int ColumnsTogether = 32, HalfTogether = ColumnsTogether / 2; // two registers of float32

    private readonly int stepBytes = StepColumns * sizeof(ushort);

    public override nint RowBytes => (nint)((Columns + ColumnsTogether - 1) / ColumnsTogether) * ColumnsTogether * sizeof(ushort);

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

    /// <param name="step">Bytes from one step to the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void WriteTogether(float* values, byte* target, nint step)
    {
        Vector256<ushort> first = Round(values), second = Round(values + HalfTogether);
        if (StepColumns == ColumnsTogether)
        {
            first.Store((ushort*)target);
            second.Store((ushort*)target + HalfTogether);
            return;
        }
        for (int i = 0; i < Vector256<ulong>.Count; i++)
        {
            *(ulong*)(target + i * step) = first.AsUInt64()[i];
            *(ulong*)(target + (i + Vector256<ulong>.Count) * step) = second.AsUInt64()[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Round(float* values)
    {
        Vector512<uint> bits = Vector512.Load((uint*)values);
        Vector512<uint> rounded = bits + Vector512.Create(0x7fffu) + ((bits >>> 16) & Vector512.Create(1u));
        return Avx512F.ConvertToVector256UInt16(rounded >>> 16);
    }
}
