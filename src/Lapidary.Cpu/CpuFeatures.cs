using System.Runtime.Intrinsics;

namespace Lapidary.Cpu;

/// <summary>What this machine offers and which kernels therefore run.</summary>
public static class CpuFeatures
{
    /// <summary>Vector width of the kernels. A JIT constant: the other branches vanish.</summary>
    public static int VectorBits => Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;
}
