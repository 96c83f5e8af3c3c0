using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Lapidary.Cpu.Assembly;

/// <summary>Hidden states rounded to bfloat16 (nearest, ties to even), in steps of 32 or 4 columns.</summary>
internal sealed unsafe record BFloat16Form(int Columns, int MaxTokens, int StepColumns) : TileForm(Columns, MaxTokens, StepColumns, sizeof(ushort))
{
    private const int HalfTogether = ColumnsTogether / 2; // a register of float32

    protected override void WriteTogether(float* values, byte* target, nint step)
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

    private static Vector256<ushort> Round(float* values)
    {
        Vector512<uint> bits = Vector512.Load((uint*)values);
        Vector512<uint> rounded = bits + Vector512.Create(0x7fffu) + ((bits >>> 16) & Vector512.Create(1u));
        return Avx512F.ConvertToVector256UInt16(rounded >>> 16);
    }
}
