using Lapidary.Cpu;
using Lapidary.Experts;
using Lapidary.Quantization;
using Lapidary.Tests.Gemm;

namespace Lapidary.Tests.Experts;

/// <summary>Which backend serves what, and what is said about the others.</summary>
public sealed class ExpertBackendsTests : IDisposable
{
    private readonly CpuKernels kernels = new(threads: 1);

    public void Dispose() => kernels.Dispose();

    private static ExpertLayerSpec Spec(WeightFormat weights) => new(
        NumExperts: 2, TopK: 1, HiddenSize: 32, IntermediateSize: 16, Activation.FromHuggingFace("gelu_pytorch_tanh"), ActivationForm.Gated, weights, HasLora: false);

    private ExpertSelection Select(WeightFormat weights, string? forced = null) => ExpertBackends.Select(kernels.ExpertBackends, [Spec(weights)], forced);

    [Fact]
    public void The_format_decides_and_the_line_accounts_for_every_backend()
    {
        Assert.Equal(
            "experts: marlin (first choice of this device); could also be grouped, batched, humming, humming-a8, reference",
            Select(WeightFormat.OfCodes(CodeType.Int(4), 32)).ToString());
        Assert.Equal(
            "experts: grouped (first that serves these weights); could also be batched, reference; not marlin takes codes of 4 and 8 bits, not BF16 elements; "
                + "not humming takes codes of 1 to 8 bits, not BF16 elements; not humming-a8 takes codes of 1 to 8 bits, not BF16 elements",
            Select(WeightFormat.OfDense(DType.BF16)).ToString());
        Assert.Equal("grouped", Select(WeightFormat.OfCodes(CodeType.Int(5), 32)).Chosen.Name);
    }

    [Fact]
    public void Layers_in_several_formats_need_a_backend_for_all_of_them()
    {
        ExpertLayerSpec[] specs = [Spec(WeightFormat.OfCodes(CodeType.Int(4), 32)), Spec(WeightFormat.OfCodes(CodeType.UInt(5), 32, hasOffsets: true))];
        ExpertSelection selection = ExpertBackends.Select(kernels.ExpertBackends, specs, null);
        Assert.Equal("grouped", selection.Chosen.Name);
        Assert.Contains("not marlin takes codes of 4 and 8 bits, not 5", selection.ToString());
    }

    [Fact]
    public void Hidden_states_are_rounded_only_when_asked_for()
        => Assert.All(CodeType.All, code => Assert.Equal(HiddenPrecision.Unrounded, Select(WeightFormat.OfCodes(code, 32)).Chosen.HiddenStates(WeightFormat.OfCodes(code, 32))));

    [Fact]
    public void A_forced_backend_serves_or_every_reason_is_given()
    {
        Assert.Equal("humming", Select(WeightFormat.OfCodes(CodeType.Int(4), 32), "humming").Chosen.Name);
        string message = Assert.Throws<BackendException>(() => Select(WeightFormat.OfDense(DType.F32), "marlin")).Message;
        Assert.Contains("\"marlin\" cannot serve this model: marlin: takes codes of 4 and 8 bits, not F32 elements; grouped: yes", message);
        Assert.Contains("this device has marlin, grouped, batched", Assert.Throws<BackendException>(() => Select(WeightFormat.OfDense(DType.F32), "merlin")).Message);
        Assert.Contains("no expert backend can serve this model: marlin: ", Assert.Throws<BackendException>(() => Select(WeightFormat.OfDense(DType.I32))).Message);
    }

    [Fact]
    public void Experts_without_an_up_projection_need_a_non_gated_form()
    {
        ExpertLayerSpec spec = Spec(WeightFormat.OfDense(DType.F32)) with { Form = ActivationForm.NonGated };
        Assert.Equal("grouped", ExpertBackends.Select(kernels.ExpertBackends, [spec], null).Chosen.Name);
        spec = spec with { Activation = Activation.FromHuggingFace("swigluoai") };
        Assert.Contains("no non-gated form", Assert.Throws<BackendException>(() => ExpertBackends.Select(kernels.ExpertBackends, [spec], null)).Message);
    }

    [Theory, InlineData("marlin"), InlineData("grouped"), InlineData("humming"), InlineData("humming-a8")]
    public void A_damaged_expert_is_refused_by_name(string backend)
    {
        ExpertLayerSpec spec = Spec(WeightFormat.OfCodes(CodeType.E4M3, 0));
        RandomCodes damaged = new(16, 32, spec.Weights);
        damaged.Set(3, 1, 0x7f);
        ExpertWeights weights = new([new RandomCodes(16, 32, spec.Weights), damaged], [damaged, damaged], [new RandomCodes(32, 16, spec.Weights), new RandomCodes(32, 16, spec.Weights)]);
        IExpertBackend chosen = ExpertBackends.Select(kernels.ExpertBackends, [spec], backend).Chosen;
        Assert.Contains("code 127 in row 3 is no finite number", Assert.Throws<BackendException>(() => chosen.Create(spec, weights, maxTokens: 4)).Message);
    }
}
