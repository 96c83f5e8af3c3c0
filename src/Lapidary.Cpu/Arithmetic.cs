namespace Lapidary.Cpu;

/// <summary>What hidden states are when they meet weights. Sums are float32 either way.</summary>
public enum Arithmetic
{
    /// <summary>float32: results are those of the stored weights, as HuggingFace's in float32.</summary>
    Exact,

    /// <summary>Rounded to what the processor multiplies with the weights fastest, as llama.cpp does: 8 bits in groups of 32
    /// columns beside integer codes, bfloat16 beside bfloat16; other weights as in <see cref="Exact"/>.</summary>
    Fast,
}

/// <summary>Choices made when the processor is opened as a device.</summary>
public sealed record CpuOptions
{
    /// <summary>Worker threads, the caller included; null for one per processor.</summary>
    public int? Threads { get; init; }

    /// <summary>Whether worker threads keep to a processor each (<see cref="ThreadAffinity.Refusal"/>); the caller's stays free.</summary>
    public bool Pin { get; init; }

    public Arithmetic Arithmetic { get; init; } = Arithmetic.Exact;

    /// <summary>Whether kernels may be assembled at run time, where .NET has no intrinsic for an instruction.</summary>
    public AssemblyUse Assembly { get; init; } = AssemblyUse.Allowed;

    /// <summary>Whether bfloat16 weights may be copied to memory in three quarters of their bytes, where kernels read them so; else they
    /// are multiplied where the file is mapped.</summary>
    public bool CompactBFloat16 { get; init; } = true;

    /// <summary>Where packed weights come from, or go to; null to pack at load. Open as long as the models loaded with it.</summary>
    public PanelStore? Panels { get; init; }
}

public enum AssemblyUse
{
    Allowed,
    Refused,
}
