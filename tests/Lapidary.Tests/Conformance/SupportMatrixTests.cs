using Lapidary.Conformance;
using Lapidary.Cpu;

namespace Lapidary.Tests.Conformance;

/// <summary>docs/support-matrix.md is the committed answer of every backend to every cell: a new "no" makes it stale.</summary>
public sealed class SupportMatrixTests
{
    private static readonly CellAnswer[] Some =
    [
        new("a", "silu", "F32", "odd 22", "F32", 1e-5, 1e-5, null), new("b", "silu", "F32", "odd 22", "I8 in groups of 32", 1e-2, 2e-2, "weights are F32"),
        new("a", "gelu", "F32", "odd 22", "F32", 1e-5, 1e-5, null), new("b", "gelu", "F32", "odd 22", "I8 in groups of 32", 1e-2, 2e-2, "weights are F32"),
        new("a", "silu", "int4", "odd 22", "F32", 1e-5, 1e-5, null), new("b", "silu", "int4", "odd 22", "F32", 1e-5, 1e-5, null),
        new("a", "gelu", "int4", "odd 22", "F32", 1e-5, 1e-5, "no gelu"), new("b", "gelu", "int4", "odd 22", "F32", 1e-5, 1e-5, null),
    ];

    [Fact]
    public void The_page_is_what_the_backends_answer()
    {
        using CpuKernels kernels = new(threads: 1);
        string page = File.ReadAllText(Path.Combine(Goldens.Repository, "docs/support-matrix.md"));
        Assert.True(SupportMatrix.Markdown(MoeConformance.Answers(kernels)) == page, "docs/support-matrix.md is stale: run lapidary moe matrix --markdown and look at the difference");
    }

    [Fact]
    public void A_refusal_shows_with_its_reason()
    {
        string page = SupportMatrix.Markdown(Some);
        Assert.Contains("8 cells: 2 backends × 2 activations × 2 weight formats × 1 shapes.\n3 are refused", page);
        Assert.Contains("| F32 | yes | no (1) |\n| int4 | 1 of 2 (2) | yes |", page);
        Assert.Contains("1. b: weights are F32\n2. a: no gelu\n", page);
        Assert.Contains("| a | F32 | 1e-5 | 1e-5 |\n| b | F32 | 1e-5 | 1e-5 |\n\n", page); // b refuses what it would round for
    }

    [Fact]
    public void A_new_refusal_changes_the_page()
    {
        CellAnswer[] changed = [.. Some];
        changed[^1] = changed[^1] with { Refusal = "not any more" };
        Assert.NotEqual(SupportMatrix.Markdown(Some), SupportMatrix.Markdown(changed));
    }
}
