using System.Runtime.Intrinsics;

namespace Lapidary.Cpu.Assembly;

/// <summary>Hidden states as they are, in steps of 4 columns.</summary>
internal sealed unsafe record Float32Form(int Columns, int MaxTokens) : TileForm(Columns, MaxTokens, Vector128<float>.Count, sizeof(float))
{
    protected override void WriteTogether(float* values, byte* target, nint step)
    {
        for (int i = 0; i < ColumnsTogether; i += Vector128<float>.Count, target += step) Vector128.Load(values + i).Store((float*)target);
    }
}
