namespace Lapidary.Cpu.Assembly;

/// <summary>Whether kernels can be assembled at run time here, and why not.</summary>
public static class AssemblySupport
{
    // One return instruction: whether the system lets memory be executed at all is asked once.
    private static readonly Lazy<string?> systemRefusal = new(() =>
    {
        using ExecutableMemory? memory = ExecutableMemory.TryCreate([0xc3], out string? refusal);
        return refusal;
    });

    /// <summary>Why int8 products go through vectors instead, or null.</summary>
    public static string? RefusesInt8(AssemblyUse use)
        => Refuses(use, CpuFeatures.HasAvx512Vnni || CpuFeatures.HasAvx2Half, "AVX512-VNNI, nor AVX2 with FMA and F16C");

    /// <summary>What int8 products use where they are assembled.</summary>
    public static string Int8Instructions => CpuFeatures.HasAvx512Vnni ? "AVX512-VNNI" : "AVX2";

    /// <summary>Why bfloat16 products of rounded hidden states are not assembled, or null.</summary>
    public static string? RefusesBFloat16(AssemblyUse use) => Refuses(use, CpuFeatures.HasAvx512Bf16, "AVX512-BF16");

    /// <summary>Why bfloat16 weights stay as they are stored, or null.</summary>
    public static string? RefusesCompact(AssemblyUse use) => Refuses(use, CpuFeatures.HasAvx2Half, "AVX2 with FMA and F16C");

    /// <summary>Why products of short rows go through vectors of that width instead, or null.</summary>
    public static string? RefusesShortRows(AssemblyUse use, int vectorBits) => Refuses(use, CpuFeatures.HasAvx2Half, "AVX2 with FMA and F16C")
        ?? (vectorBits == 256 ? null : $"their kernels are for vectors of 256 bits, not {vectorBits}");

    private static string? Refuses(AssemblyUse use, bool supported, string instructions)
        => use == AssemblyUse.Refused ? "--no-assembly was given"
        : !supported ? $"the processor has no {instructions}"
        : systemRefusal.Value;
}
