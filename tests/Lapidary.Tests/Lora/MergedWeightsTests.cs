using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Models;
using Lapidary.Tests.Models;

namespace Lapidary.Tests.Lora;

/// <summary>
/// An adapter computes what the same updates merged into the weights compute, at every place and in every layout: within what
/// rounding the merged weights to float32 does where the computation is float64, and within float32's error on the processor.
/// </summary>
public sealed class MergedWeightsTests
{
    private const float Tolerance = 5e-5f; // a quarter of the bound of logits; at most 2.1e-5 at any width
    private const float MergeRounding = 2e-6f;
    private static readonly string Model = Goldens.Case("everything");
    private static readonly int[] Prompt = [2, 30, 77, 130, 5, 199, 42, 17, 250, 8, 91, 64];

    public static TheoryData<string> Linears =>
    [
        "layers.0.self_attn.q_proj", "layers.2.self_attn.q_proj", "layers.1.self_attn.k_proj", "layers.2.self_attn.k_proj", "layers.0.self_attn.v_proj",
        "layers.5.self_attn.o_proj", "layers.0.mlp.gate_proj", "layers.5.mlp.up_proj", "layers.7.mlp.down_proj", "layers.3.router.proj",
        "layers.2.per_layer_input_gate", "layers.6.per_layer_projection", "per_layer_model_projection",
    ];

    [Theory, MemberData(nameof(Linears))]
    public void Of_a_matrix(string module) => AssertMerged(new AdapterBuilder(Model, seed: 1).Linear(module));

    [Theory, InlineData("embed_tokens"), InlineData("embed_tokens_per_layer")]
    public void Of_a_table(string module) => AssertMerged(new AdapterBuilder(Model, seed: 2).Embedding(module));

    [Fact]
    public void Of_a_table_adapted_as_a_parameter() => AssertMerged(new AdapterBuilder(Model, seed: 2).EmbeddingParameter("embed_tokens"));

    [Fact]
    public void Of_a_matrix_adapted_as_a_parameter()
    {
        AdapterBuilder builder = new(Model, seed: 21) { TargetParameters = ["self_attn.q_proj.weight"], RankPattern = { ["self_attn.q_proj.weight"] = 7 } };
        builder.RankPattern["layers.0.self_attn.q_proj"] = 7; // for the builder; the product sees the parameter's name only
        AssertMerged(builder.Linear("layers.0.self_attn.q_proj"));
    }

    [Fact]
    public void Of_the_head() => AssertMerged(new AdapterBuilder(Model, seed: 3).Head());

    [Theory]
    [InlineData(DType.F32), InlineData(DType.BF16), InlineData(DType.F16)]
    public void Of_stacked_experts(DType dtype)
        => AssertMerged(new AdapterBuilder(Model, seed: 4) { DType = dtype }
            .Stacked("layers.1.experts.gate_up_proj", "experts.base_layer").Stacked("layers.1.experts.down_proj", "experts"));

    [Fact]
    public void Of_stacked_experts_whose_wrappers_nest_the_other_way()
        => AssertMerged(new AdapterBuilder(Model, seed: 5)
            .Stacked("layers.1.experts.down_proj", "experts.base_layer").Stacked("layers.1.experts.gate_up_proj", "experts"));

    [Theory, InlineData("gate_up_proj"), InlineData("down_proj")]
    public void Of_one_stacked_parameter(string parameter)
        => AssertMerged(new AdapterBuilder(Model, seed: 6).Stacked($"layers.4.experts.{parameter}", "experts"));

    [Fact]
    public void Of_stacked_experts_as_peft_saved_them_before_0_19()
        => AssertMerged(new AdapterBuilder(Model, seed: 7)
            .StackedBefore019("layers.1.experts.gate_up_proj", "experts.base_layer").StackedBefore019("layers.1.experts.down_proj", "experts"));

    [Fact]
    public void Of_experts_one_by_one()
    {
        AdapterBuilder builder = new(Model, seed: 8);
        for (int expert = 0; expert < 4; expert++)
            builder.Expert(2, expert, "gate_proj").Expert(2, expert, "up_proj").Expert(2, expert, "down_proj");
        AssertMerged(builder.Expert(3, 0, "gate_proj").Expert(3, 1, "up_proj").Expert(4, 2, "gate_up_proj").Expert(5, 3, "down_proj"));
    }

    [Theory]
    [InlineData("base_model.model."), InlineData("base_model.model.model."), InlineData("base_model.model.model.language_model."), InlineData("base_model.model.language_model.model.")]
    public void Trained_on_any_class_of_the_model(string prefix)
        => AssertMerged(new AdapterBuilder(Model, seed: 9) { Prefix = prefix }.Linear("layers.0.self_attn.q_proj").Stacked("layers.1.experts.down_proj", "experts"));

    [Fact]
    public void With_rank_stabilised_scale_and_patterns()
    {
        AdapterBuilder builder = new(Model, seed: 10)
        {
            UseRsLora = true,
            RankPattern = { ["layers.0.self_attn.q_proj"] = 9, ["layers.1.experts.gate_up_proj"] = 1 },
            AlphaPattern = { ["layers.1.experts.down_proj"] = 2.5, ["layers.2.mlp.up_proj"] = -3 },
        };
        AssertMerged(builder.Linear("layers.0.self_attn.q_proj").Linear("layers.2.mlp.up_proj").Linear("layers.2.mlp.down_proj")
            .Stacked("layers.1.experts.gate_up_proj", "experts.base_layer").Stacked("layers.1.experts.down_proj", "experts"));
    }

    [Theory, InlineData(11), InlineData(12), InlineData(13), InlineData(14), InlineData(15), InlineData(16)]
    public void Of_any_mixture(int seed)
    {
        Random random = new(seed);
        AdapterBuilder builder = new(Model, seed)
        {
            DType = random.Next(2) == 0 ? DType.F32 : DType.BF16,
            R = random.Next(1, 20),
            UseRsLora = random.Next(2) == 0,
        };
        foreach (TheoryDataRow<string> module in Linears)
            if (random.Next(2) == 0) builder.Linear(module.Data);
        for (int layer = 0; layer < 8; layer++)
        {
            if (random.Next(3) == 0) builder.Stacked($"layers.{layer}.experts.gate_up_proj", "experts.base_layer");
            else if (random.Next(2) == 0) builder.Expert(layer, random.Next(4), "up_proj").Expert(layer, random.Next(4), "gate_proj");
            if (random.Next(3) == 0) builder.Stacked($"layers.{layer}.experts.down_proj", "experts");
        }
        AssertMerged(builder.Embedding("embed_tokens"));
    }

    // Negative controls: the comparison notices an update that is not the right one.

    [Fact]
    public void B_with_the_experts_outside_the_ranks_is_noticed()
        => AssertDiffers(new AdapterBuilder(Model, seed: 17).Stacked("layers.1.experts.down_proj", "experts", element: (o, j, e, r, experts) => (o * experts + e) * r + j));

    [Fact]
    public void A_wrong_scale_is_noticed()
    {
        AdapterBuilder builder = new AdapterBuilder(Model, seed: 18).Linear("layers.0.self_attn.q_proj");
        builder.UseRsLora = true; // merged without
        AssertDiffers(builder);
    }

    [Fact]
    public void Swapped_A_and_B_of_a_square_matrix_are_noticed()
    {
        AdapterBuilder builder = new AdapterBuilder(Model, seed: 19).Linear("layers.0.self_attn.q_proj");
        (TensorToWrite a, TensorToWrite b) = (builder.Tensors[0], builder.Tensors[1]);
        builder.Tensors[0] = a with { WriteBytes = stream => stream.Write(Transposed(b, 64, 4)) };
        builder.Tensors[1] = b with { WriteBytes = stream => stream.Write(Transposed(a, 4, 64)) };
        AssertDiffers(builder);
    }

    [Fact]
    public void An_update_that_is_not_applied_is_noticed()
    {
        AdapterBuilder builder = new AdapterBuilder(Model, seed: 20).Linear("layers.0.self_attn.q_proj").Linear("layers.3.router.proj");
        builder.Tensors.RemoveAt(3);
        builder.Tensors.RemoveAt(2);
        AssertDiffers(builder);
    }

    private static byte[] Transposed(TensorToWrite tensor, int rows, int columns)
    {
        using MemoryStream stream = new();
        tensor.WriteBytes(stream);
        byte[] source = stream.ToArray(), target = new byte[source.Length];
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++) source.AsSpan(4 * (r * columns + c), 4).CopyTo(target.AsSpan(4 * (c * rows + r)));
        return target;
    }

    private static void AssertMerged(AdapterBuilder builder)
    {
        Differences differences = Measure(builder);
        Assert.InRange(differences.InFloat64, 0, MergeRounding);
        Assert.InRange(differences.FromMerged, 0, Tolerance);
        Assert.InRange(differences.FromBase, 200 * Tolerance, 100);
    }

    private static void AssertDiffers(AdapterBuilder builder) => Assert.InRange(Measure(builder).FromMerged, 200 * Tolerance, 100);

    /// <summary>Largest differences of any logit of any position from the merged model in float64, in units of the position's largest.</summary>
    /// <param name="InFloat64">Of the adapter in float64.</param> <param name="FromMerged">Of the adapter on the processor.</param>
    /// <param name="FromBase">Of no adapter.</param>
    private readonly record struct Differences(float InFloat64, float FromMerged, float FromBase);

    private static Differences Measure(AdapterBuilder builder)
    {
        using (builder.Write())
        {
            using CpuKernels kernels = new(1);
            using Float64Device truth = new();
            float[][] merged = Logits(builder.MergedFolder, truth, adapter: null);
            return new(
                Largest(merged, Logits(Model, truth, builder.AdapterFolder)),
                Largest(merged, Logits(Model, kernels, builder.AdapterFolder)),
                Largest(merged, Logits(Model, kernels, adapter: null)));
        }
    }

    private static float Largest(float[][] expected, float[][] actual) => expected.Zip(actual)
        .Max(row => AdapterGoldens.LargestDifference(row.First, row.Second) / MathF.Max(1, row.First.Max(MathF.Abs)));

    /// <summary>[positions][vocab]</summary>
    private static float[][] Logits(string folder, IKernels kernels, string? adapter)
    {
        using ICheckpoint checkpoint = Checkpoint.Open(folder);
        using Gemma4 model = AdapterGoldens.Open(folder, kernels, checkpoint, maxLoras: 1);
        int slot = adapter is null ? ForwardBatch.NoAdapter : model.Adapters.Load(adapter, "a").Slot;
        return [.. AdapterGoldens.AllLogits(model, kernels, Prompt, slot).Chunk(model.Config.VocabSize)];
    }
}
