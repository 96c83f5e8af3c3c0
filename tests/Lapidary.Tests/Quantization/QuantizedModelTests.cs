using Lapidary.Cpu;
using Lapidary.Verification;

namespace Lapidary.Tests.Quantization;

/// <summary>Whole checkpoints in published layouts give the logits that transformers computes from the numbers they stand for.</summary>
public sealed class QuantizedModelTests
{
    public static TheoryData<string> Models => [.. QuantFixtures.Models];

    [Theory, MemberData(nameof(Models))]
    public void A_quantised_checkpoint_gives_the_logits_of_transformers(string name)
    {
        using CpuKernels kernels = new(threads: 1);
        ParityReport report = Parity.Run(Path.Combine(QuantFixtures.Folder, name), kernels, new ParityOptions());
        Assert.True(report.Ok, $"{report.Problem} {string.Join("; ", report.Rows.Where(row => !row.Ok))}");
        Assert.Equal(report.Positions, report.ArgmaxAgreed);
        Assert.Contains(report.Rows, row => row.Tensor == "p0.logits");
    }

    [Fact]
    public void A_wrong_activation_is_noticed_through_quantised_weights()
    {
        using CpuKernels kernels = new(threads: 1);
        Assert.False(Parity.Run(Path.Combine(QuantFixtures.Folder, "awq"), kernels, new ParityOptions { Fault = Fault.Parse("silu") }).Ok);
    }
}
