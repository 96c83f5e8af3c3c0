using Lapidary.Cpu;
using Lapidary.Tests.Checkpoints;
using Lapidary.Verification;

namespace Lapidary.Tests.Verification;

/// <summary>The layout of the multimodal checkpoints computes what the bare one computes.</summary>
public sealed class WrappedParityTests : IDisposable
{
    private readonly CpuKernels kernels = new();

    public void Dispose() => kernels.Dispose();

    public static TheoryData<string> Cases() => ["dense_min", "moe_odd_bf16", "everything"];

    [Theory, MemberData(nameof(Cases))]
    public void A_wrapped_checkpoint_matches_HuggingFace(string name)
    {
        using WrappedCheckpoint wrapped = new(name);
        ParityReport bare = Parity.Run(Goldens.Case(name), kernels, new ParityOptions()), report = Parity.Run(wrapped.Path, kernels, new ParityOptions());
        Assert.True(report.Ok, report.Problem);
        Assert.Equal(bare.Rows, report.Rows); // the same tensors with the same differences, bit for bit
    }

    [Theory, MemberData(nameof(Cases))]
    public void A_fault_in_a_wrapped_checkpoint_is_noticed(string name)
    {
        using WrappedCheckpoint wrapped = new(name);
        ParityReport report = Parity.Run(wrapped.Path, kernels, new ParityOptions { Fault = Fault.Parse("swap-halves") });
        Assert.Null(report.Problem);
        Assert.False(report.Ok);
    }
}
