using Lapidary.Cpu;
using Lapidary.Models;
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

    [Theory, MemberData(nameof(Models))]
    public void A_gross_fault_is_noticed_through_quantised_weights(string name)
    {
        using CpuKernels kernels = new(threads: 1);
        string folder = Path.Combine(QuantFixtures.Folder, name);
        // Not erf: these models are tiny, and their logits alone do not tell the two forms of GELU apart.
        foreach (Fault fault in Fault.All.Where(fault => fault.Name != "erf" && fault.Inapplicable(Gemma4ConfigReader.Load(folder)) is null))
        {
            ParityReport report = Parity.Run(folder, kernels, new ParityOptions { Fault = fault });
            Assert.Null(report.Problem);
            Assert.False(report.Ok, $"{fault.Name} went unnoticed");
        }
    }
}
