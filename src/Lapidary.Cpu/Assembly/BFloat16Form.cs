using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Lapidary.Cpu.Gemm;

namespace Lapidary.Cpu.Assembly;

/// <summary>Hidden states rounded to bfloat16 (nearest, ties to even), rows padded with zeros to whole registers.</summary>
internal sealed unsafe record BFloat16Form(int Columns) : HiddenForm(Columns)
{
    public override nint RowBytes => (nint)((Columns + RowTile.StepColumns - 1) / RowTile.StepColumns) * RowTile.StepBytes;

    public override void Write(float* x, nint stride, int from, int to, int tokens, byte* written)
    {
        for (int t = from; t < to; t++)
        {
            float* row = x + t * stride;
            ushort* target = (ushort*)(written + t * RowBytes);
            int i = 0;
            for (; i <= Columns - Vector512<float>.Count; i += Vector512<float>.Count)
            {
                Vector512<uint> bits = Vector512.Load((uint*)(row + i));
                Vector512<uint> rounded = bits + Vector512.Create(0x7fffu) + ((bits >>> 16) & Vector512.Create(1u));
                Avx512F.ConvertToVector256UInt16(rounded >>> 16).Store(target + i);
            }
            for (; i < Columns; i++)
            {
                uint bits = BitConverter.SingleToUInt32Bits(row[i]);
                target[i] = (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
            }
            for (; i < RowBytes / 2; i++) target[i] = 0;
        }
    }
}
