using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Lapidary.Cpu.Assembly;

/// <summary>Hidden states rounded to bfloat16 (nearest, ties to even), for a <see cref="RowTile"/>.</summary>
internal sealed unsafe record BFloat16Form(int Columns) : RowForm(Columns, RowTile.MaxTokens, RowTile.StepBytes)
{
    private const int HalfStep = StepColumns / 2; // a register of float32

    protected override void WriteStep(float* values, byte* target)
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

/// <summary>Hidden states in float32, of 16 columns first the even, then the odd ones, for an <see cref="FmaRowTile"/>.</summary>
internal sealed unsafe record EvenOddForm(int Columns) : RowForm(Columns, FmaRowTile.MaxTokens, FmaRowTile.StepBytes)
{
    protected override void WriteStep(float* values, byte* target)
    {
        for (int i = 0; i < StepColumns; i += 16)
        {
            Vector256<float> low = Vector256.Load(values + i), high = Vector256.Load(values + i + 8);
            InOrder(Avx.Shuffle(low, high, 0b10_00_10_00)).Store((double*)target + i / 2);
            InOrder(Avx.Shuffle(low, high, 0b11_01_11_01)).Store((double*)target + i / 2 + 4);
        }
    }

    /// <summary>Columns of the two halves in turn to those of the lower before those of the upper.</summary>
    private static Vector256<double> InOrder(Vector256<float> values) => Avx2.Permute4x64(values.AsDouble(), 0b11_01_10_00);
}
