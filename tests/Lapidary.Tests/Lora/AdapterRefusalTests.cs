using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Lora;
using Lapidary.Models;

namespace Lapidary.Tests.Lora;

/// <summary>An adapter that does not fit is refused, with the tensor, what was found and what was expected.</summary>
public sealed class AdapterRefusalTests : IDisposable
{
    private static readonly string Folder = Goldens.Case("everything");
    private readonly CpuKernels kernels = new(1);
    private readonly ICheckpoint checkpoint = Checkpoint.Open(Folder);
    private readonly AdapterBuilder builder = new(Folder, seed: 1);
    private readonly Gemma4 model;

    public AdapterRefusalTests() => model = AdapterGoldens.Open(Folder, kernels, checkpoint, maxLoras: 1);

    public void Dispose()
    {
        model.Dispose();
        builder.Dispose();
        checkpoint.Dispose();
        kernels.Dispose();
    }

    [Fact]
    public void A_module_the_model_lacks() => Refused("\"layers.0.self_attn.w_proj\", only \"layers.0.self_attn.k_proj\"", b => b.Update("layers.0.self_attn.w_proj", 64, 64));

    [Fact]
    public void A_layer_the_model_lacks() => Refused("the model has no layer 8; the adapter was trained on \"some/model\"", b => b.Update("layers.8.self_attn.q_proj", 64, 64));

    [Fact]
    public void V_proj_of_a_layer_whose_values_are_its_keys() => Refused("no module \"layers.2.self_attn.v_proj\"", b => b.Update("layers.2.self_attn.v_proj", 32, 64));

    [Fact]
    public void K_proj_of_a_layer_that_shares_its_keys() => Refused("no module \"layers.6.self_attn.k_proj\"", b => b.Update("layers.6.self_attn.k_proj", 32, 64));

    [Fact]
    public void An_expert_the_model_lacks() => Refused("no module \"layers.0.experts.4.up_proj\"", b => b.Update("layers.0.experts.4.up_proj", 24, 64));

    [Fact]
    public void A_part_that_is_not_served() => Refused("vision or audio part", b => b.Update("vision_tower.layers.0.self_attn.q_proj", 64, 64));

    [Fact]
    public void A_without_B() => Refused("has no lora_B beside it", b => b.Tensor($"{b.Prefix}layers.0.self_attn.q_proj.lora_A.weight", 1, 4, 64));

    [Fact]
    public void B_without_A() => Refused("has no lora_A beside it", b => b.Tensor($"{b.Prefix}layers.0.self_attn.q_proj.lora_B.weight", 1, 64, 4));

    [Fact]
    public void Another_width() => Refused("its shape is [4, 65], expected [4, 64], which is [rank, in features]", b => b.Update("layers.0.self_attn.q_proj", 64, 65));

    [Fact]
    public void Another_rank_than_the_configuration_says() => Refused("its shape is [5, 64], expected [4, 64]", b =>
    {
        b.R = 5;
        b.Update("layers.0.self_attn.q_proj", 64, 64);
        b.R = 4;
    });

    [Fact]
    public void Experts_of_another_number() => Refused("its shape is [20, 24], expected [16, 24], which is [experts · rank, in features]", b => b.Update("layers.0.experts", 64, 24, experts: 5));

    [Fact]
    public void Experts_of_another_width() => Refused("fit neither experts.gate_up_proj [4, 48, 64] nor experts.down_proj [4, 64, 24]", b => b.Update("layers.0.experts", 64, 25, experts: 4));

    [Fact]
    public void Two_updates_of_one_stacked_parameter()
        => Refused("updates the same weight already", b => b.Update("layers.0.experts", 64, 24, experts: 4).Update("layers.0.experts.base_layer", 64, 24, experts: 4));

    [Fact]
    public void Stacked_and_single_updates_of_an_expert()
        => Refused("updates the same weight already", b => b.Update("layers.0.experts", 64, 24, experts: 4).Update("layers.0.experts.2.down_proj", 64, 24));

    [Fact]
    public void The_same_module_under_two_names() => Refused("updates the same weight already", b =>
    {
        b.Update("layers.0.self_attn.q_proj", 64, 64);
        b.Prefix = "base_model.model.model.language_model.";
        b.Update("layers.0.self_attn.q_proj", 64, 64);
    });

    [Fact]
    public void A_name_without_PEFTs_prefix() => Refused("begin with \"base_model.model.\"", b =>
    {
        b.Prefix = "model.";
        b.Update("layers.0.self_attn.q_proj", 64, 64);
    });

    [Fact]
    public void A_magnitude_of_DoRA() => Refused("DoRA is not implemented", b => b.Tensor($"{b.Prefix}layers.0.self_attn.q_proj.lora_magnitude_vector", 1, 64));

    [Fact]
    public void A_whole_tensor() => Refused("replaces a whole tensor", b => b.Tensor($"{b.Prefix}layers.0.input_layernorm.weight", 1, 64));

    [Fact]
    public void A_diagonal_between_A_and_B() => Refused("no part of a low-rank update", b => b.Tensor($"{b.Prefix}layers.0.self_attn.q_proj.lora_diag", 1, 4));

    [Fact]
    public void The_matrices_of_a_table_on_a_matrix() => Refused("found EmbeddingA", b =>
    {
        b.Tensor($"{b.Prefix}layers.0.self_attn.q_proj.lora_embedding_A", 1, 4, 64);
        b.Tensor($"{b.Prefix}layers.0.self_attn.q_proj.lora_embedding_B", 1, 64, 4);
    });

    [Fact]
    public void A_bias_of_another_length() => Refused("its shape is [63], expected [64]", b =>
    {
        b.Update("layers.0.self_attn.q_proj", 64, 64);
        b.Tensor($"{b.Prefix}layers.0.self_attn.q_proj.lora_B.bias", 1, 63);
    });

    [Fact]
    public void Elements_that_are_no_numbers() => Refused<CheckpointException>("holds NaN or infinity at element 7", b =>
    {
        b.Update("layers.0.self_attn.q_proj", 64, 64);
        Replace(b, 0, bytes => BitConverter.TryWriteBytes(bytes.AsSpan(28), float.NaN));
    });

    [Fact]
    public void Elements_of_another_kind() => Refused("its dtype is I32, expected F32, F16 or BF16", b =>
    {
        b.Update("layers.0.self_attn.q_proj", 64, 64);
        b.Tensors[1] = b.Tensors[1] with { DType = DType.I32 };
    });

    [Fact]
    public void Nothing_at_all() => Refused("holds no low-rank update", _ => { });

    [Fact]
    public void A_square_stack_without_the_version_that_saved_it()
    {
        LoraSites sites = new(1);
        sites.AddExperts("layers.0.experts", numExperts: 2, hiddenSize: 8, intermediateSize: 4);
        builder.Update("layers.0.experts", 8, 8, experts: 2).Write();
        using (LoraAdapter adapter = LoraAdapter.Open(builder.AdapterFolder, sites)) Assert.NotNull(adapter.Experts.Values.Single().Gate[0]);
        builder.PeftVersion = null;
        builder.Write();
        Assert.Contains("no peft_version", Assert.Throws<AdapterException>(() => LoraAdapter.Open(builder.AdapterFolder, sites)).Message, StringComparison.Ordinal);
    }

    [Theory, InlineData("0.18.1", true), InlineData("0.19.0", false), InlineData("0.21.0.dev0@1a2b", false)]
    public void A_square_stack_is_read_as_its_version_saved_it(string version, bool swapped)
    {
        LoraSites sites = new(1);
        sites.AddExperts("layers.0.experts", numExperts: 2, hiddenSize: 8, intermediateSize: 4);
        builder.PeftVersion = version;
        builder.Update("layers.0.experts", 8, 8, experts: 2).Write();
        using LoraAdapter adapter = LoraAdapter.Open(builder.AdapterFolder, sites);
        Assert.Equal(swapped, adapter.Experts.Values.Single().Gate[1]!.A.Name.Contains("lora_B", StringComparison.Ordinal));
    }

    [Fact]
    public void Pickled_tensors()
    {
        builder.Linear("layers.0.self_attn.q_proj").Write();
        File.Move(Path.Combine(builder.AdapterFolder, LoraAdapter.FileName), Path.Combine(builder.AdapterFolder, "adapter_model.bin"));
        Assert.Contains("which can run any code", Assert.Throws<AdapterException>(Load).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_folder() => Assert.Contains("found no adapter_config.json", Assert.Throws<ConfigException>(() => model.Adapters.Load("/nowhere", "a")).Message, StringComparison.Ordinal);

    [Fact]
    public void A_copy_of_the_models_table_is_accepted_and_another_table_refused()
    {
        builder.Linear("layers.0.self_attn.q_proj");
        StoredTensor table = checkpoint.Find("model.embed_tokens.weight")!;
        builder.Tensors.Add(TensorToWrite.From(table) with { Name = $"{builder.Prefix}embed_tokens.base_layer.weight" });
        builder.Tensors.Add(TensorToWrite.From(table) with { Name = "base_model.model.lm_head.weight" });
        builder.Write();
        Load();
        model.Adapters.Drop("a");
        Replace(builder, builder.Tensors.Count - 1, bytes => bytes[64 * 4 * 9] ^= 1);
        builder.Write();
        Assert.Contains("differs from the model's own in row 9", Assert.Throws<AdapterException>(Load).Message, StringComparison.Ordinal);
    }

    private LoadedAdapter Load() => model.Adapters.Load(builder.AdapterFolder, "a");

    private void Refused(string reason, Action<AdapterBuilder> make) => Refused<AdapterException>(reason, make);

    private void Refused<T>(string reason, Action<AdapterBuilder> make) where T : LapidaryException
    {
        make(builder);
        builder.Write();
        string message = Assert.Throws<T>(Load).Message;
        Assert.Contains(reason, message, StringComparison.Ordinal);
        Assert.Contains(LoraAdapter.FileName, message, StringComparison.Ordinal);
        Assert.Empty(model.Adapters.Loaded);
    }

    private static void Replace(AdapterBuilder builder, int index, Action<byte[]> change)
    {
        using MemoryStream stream = new();
        builder.Tensors[index].WriteBytes(stream);
        byte[] bytes = stream.ToArray();
        change(bytes);
        builder.Tensors[index] = builder.Tensors[index] with { WriteBytes = output => output.Write(bytes) };
    }
}
