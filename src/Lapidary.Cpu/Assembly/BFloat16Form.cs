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
    private const int HalfGrain = Grain / 2; // a register of float32
    private const int ColumnsTogether = 256; // tokens lie side by side: those of a tile are written while so many columns are in the first cache

    private readonly int stepBytes = StepColumns * sizeof(ushort);

    public override nint RowBytes => (nint)((Columns + Grain - 1) / Grain) * Grain * sizeof(ushort);

    public override void WriteColumns(float* x, nint stride, int from, int to, int tokens, int firstColumn, int endColumn, byte* written)
    {
        TokenTiles tiles = new(tokens, MaxTokens);
        for (int t = from, end; t < to; t = end)
        {
            int tile = tiles.Of(t), first = tiles.First(tile);
            end = Math.Min(to, tiles.First(tile + 1));
            nint step = (tiles.First(tile + 1) - first) * stepBytes;
            for (int column = firstColumn; column < endColumn; column += ColumnsTogether)
                for (int token = t; token < end; token++)
                    WriteToken(x + token * stride, column, Math.Min(endColumn, column + ColumnsTogether), written + first * RowBytes + (token - first) * stepBytes, step);
        }
    }

    /// <param name="target">The token's first column.</param>
    /// <param name="step">Bytes from one step to the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void WriteToken(float* row, int column, int end, byte* target, nint step)
    {
        target += column / StepColumns * step;
        for (; column <= end - Grain; column += Grain, target += step * Grain / StepColumns) WriteTogether(row + column, target, step);
        if (column == end) return;
        float* padded = stackalloc float[Grain];
        new Span<float>(padded, Grain).Clear();
        new ReadOnlySpan<float>(row + column, end - column).CopyTo(new Span<float>(padded, Grain));
        WriteTogether(padded, target, step);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void WriteTogether(float* values, byte* target, nint step)
    {
        Vector256<ushort> first = Round(values), second = Round(values + HalfGrain);
        if (StepColumns == Grain)
        {
            first.Store((ushort*)target);
            second.Store((ushort*)target + HalfGrain);
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
