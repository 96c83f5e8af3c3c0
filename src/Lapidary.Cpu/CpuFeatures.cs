using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Lapidary.Cpu;

/// <summary>What this machine offers and which kernels therefore run.</summary>
public static class CpuFeatures
{
    /// <summary>Vector width of the kernels. A JIT constant: the other branches vanish.</summary>
    public static int VectorBits
        => Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 32;

    /// <summary>Dot products of 8-bit integers, 512 bits wide, which .NET has no intrinsic for: kernels assembled at run time use them.</summary>
    public static bool HasAvx512Vnni { get; } = Avx512BW.IsSupported && (Leaf7(subleaf: 0).Ecx & (1 << 11)) != 0;

    /// <summary>AVX2 with FMA and conversion of float16, which .NET has no intrinsic for.</summary>
    public static bool HasAvx2Half { get; } = Avx2.IsSupported && Fma.IsSupported && (X86Base.CpuId(1, 0).Ecx & (1 << 29)) != 0;

    /// <summary>Dot products of bfloat16 pairs; as <see cref="HasAvx512Vnni"/>.</summary>
    public static bool HasAvx512Bf16 { get; } = Avx512BW.IsSupported && (Leaf7(subleaf: 1).Eax & (1 << 5)) != 0;

    /// <summary>
    /// Whether those are slower than products of float32, as on Intel's processors: Emerald Rapids multiplies 32 pairs in two cycles
    /// (88 GFLOP/s a core), and 32 numbers of float32 in each (176).
    /// </summary>
    public static bool IsSlowAtBFloat16 => IsIntel;

    /// <summary>"GenuineIntel", whose first four letters tell it from all others.</summary>
    public static bool IsIntel { get; } = X86Base.IsSupported && X86Base.CpuId(0, 0).Ebx == 0x756e6547;

    private static (int Eax, int Ebx, int Ecx, int Edx) Leaf7(int subleaf) => X86Base.CpuId(7, subleaf);

    /// <summary>Why that width, for people.</summary>
    public static string WidthReason => VectorBits switch
    {
        512 => "the processor has AVX-512 and the runtime uses it",
        256 when Avx512F.IsSupported => "the processor has AVX-512, but the runtime prefers 256 bits on it",
        256 => "the processor has AVX2 and no AVX-512, or DOTNET_EnableAVX512=0 is set",
        128 when AdvSimd.IsSupported => "AdvSIMD is 128 bits wide",
        128 => "no AVX2, or DOTNET_EnableAVX2=0 is set",
        _ => "one number at a time, since no vector instructions are in use (DOTNET_EnableHWIntrinsic=0?); this is slow",
    };

    /// <summary>Instruction sets that the runtime uses.</summary>
    public static IReadOnlyList<string> InstructionSets
    {
        get
        {
            (string Name, bool Supported)[] sets =
            [
                ("SSE4.2", Sse42.IsSupported), ("AVX", Avx.IsSupported), ("AVX2", Avx2.IsSupported), ("FMA", Fma.IsSupported),
                ("AVX-512F", Avx512F.IsSupported), ("AVX-512BW", Avx512BW.IsSupported), ("AVX-512VBMI", Avx512Vbmi.IsSupported),
                ("AVX-VNNI", AvxVnni.IsSupported), ("AVX512-VNNI", HasAvx512Vnni), ("AVX512-BF16", HasAvx512Bf16), ("AdvSIMD", AdvSimd.IsSupported), ("DotProd", Dp.IsSupported),
            ];
            return [.. sets.Where(s => s.Supported).Select(s => s.Name)];
        }
    }

    /// <summary>The processor's name as the system gives it.</summary>
    public static string ProcessorName
    {
        get
        {
            try
            {
                string? line = File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal));
                if (line is not null) return line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
            }
            catch (IOException)
            {
                // Not Linux.
            }
            return Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.ProcessArchitecture.ToString();
        }
    }
}
