using System.Text.Json.Nodes;
using Lapidary.Cpu;
using Lapidary.Models;
using Lapidary.Speculation;
using Lapidary.Tests.Models;

namespace Lapidary.Tests.Speculation;

/// <summary>A drafter that is damaged, or belongs to another model, is refused with what was found and what was expected.</summary>
public sealed class DrafterRefusalTests : IDisposable
{
    private static readonly Gemma4Config Target = Gemma4ConfigReader.Load(Goldens.Case("moe_keqv_bf16"));

    private readonly CpuKernels kernels = new(threads: 1);
    private readonly DrafterFolder folder = new(Target, centroids: true);

    public void Dispose()
    {
        folder.Dispose();
        kernels.Dispose();
    }

    [Fact]
    public void What_is_sound_is_opened() => Open().Dispose();

    public static TheoryData<string, string, string> Configs() => new()
    {
        { "model_type", "\"gemma4\"", "model_type is \"gemma4\"; drafters are gemma4_assistant and gemma4_unified_assistant" },
        { "backbone_hidden_size", "2816", "backbone_hidden_size is 2816, and the model's hidden_size is 64" },
        { "num_centroids", "7", "vocab_size 256 is not a multiple of num_centroids 7" },
        { "centroid_intermediate_top_k", "17", "centroid_intermediate_top_k 17 is more than num_centroids 16" },
        { "text_config", "null", "without \"text_config\"" },
        { "text_config.vocab_size", "512", "vocab_size is 512, and the model's is 256" },
        { "text_config.sliding_window", "9", "sliding_window is 9, and the model keeps no more than 8 positions" },
        { "text_config.hidden_size_per_layer_input", "null", "hidden_size_per_layer_input is 256, expected 0" }, // HuggingFace's default
        { "text_config.num_kv_shared_layers", "1", "num_kv_shared_layers is 1, expected 3" },
        { "text_config.num_key_value_heads", "4", "layer 0 shares the keys of layer 4 of the target, whose heads differ: 2 of 16, not 4 of 16" },
        { "text_config.global_head_dim", "64", "layer 2 shares the keys of layer 5 of the target, whose heads differ: 1 of 32, not 1 of 64" },
    };

    [Theory, MemberData(nameof(Configs))]
    public void Of_another_model(string key, string value, string expected)
    {
        string[] path = key.Split('.');
        JsonObject target = path.Length == 1 ? folder.Config : folder.Config[path[0]]!.AsObject();
        target[path[^1]] = JsonNode.Parse(value);
        folder.Write();
        ConfigException exception = Assert.Throws<ConfigException>(Open);
        Assert.StartsWith(System.IO.Path.Combine(folder.Path, "config.json"), exception.Message, StringComparison.Ordinal);
        Assert.Contains(expected, exception.Message, StringComparison.Ordinal);
    }

    /// <summary>Each damaged configuration is read into something that fits the target, or refused.</summary>
    [Fact]
    public void With_a_damaged_configuration()
    {
        Random random = new(1);
        (int read, int refused) = (0, 0);
        string whole = folder.Config.ToJsonString();
        for (int round = 0; round < 4000; round++)
        {
            File.WriteAllBytes(System.IO.Path.Combine(folder.Path, "config.json"), ConfigFuzzTests.Damage(whole, random));
            try
            {
                Gemma4AssistantConfig config = Gemma4AssistantConfig.Load(folder.Path, Target);
                read++;
                Assert.Equal((Target.HiddenSize, Target.VocabSize), (config.BackboneHiddenSize, config.Text.VocabSize));
                Assert.InRange(config.Text.SlidingWindow, 1, Target.SlidingWindow);
                foreach (Gemma4Layer layer in config.Text.Layers)
                {
                    Gemma4Layer donor = Target.Layers[layer.CacheLayer];
                    Assert.True(layer.SharesKeyValues && !donor.SharesKeyValues);
                    Assert.Equal((donor.IsFull, donor.HeadDim, donor.KeyValueHeads), (layer.IsFull, layer.HeadDim, layer.KeyValueHeads));
                }
                Assert.True(config.Centroids is null || (Target.VocabSize % config.Centroids.NumCentroids == 0 && config.Centroids.CentroidIntermediateTopK <= config.Centroids.NumCentroids));
            }
            catch (ConfigException)
            {
                refused++;
            }
        }
        Assert.True(read > 50 && refused > 1000, $"{read} read, {refused} refused: the damage tests nothing");
    }

    [Fact]
    public void With_experts()
    {
        JsonObject text = folder.Config["text_config"]!.AsObject();
        foreach ((string key, JsonNode value) in ((string, JsonNode)[])[("enable_moe_block", true), ("num_experts", 4), ("top_k_experts", 2), ("moe_intermediate_size", 8)]) text[key] = value;
        folder.Write();
        Assert.Contains("enable_moe_block is true", Assert.Throws<ConfigException>(Open).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pre_projection.weight"), InlineData("post_projection.weight"), InlineData("masked_embedding.centroids.weight"), InlineData("model.norm.weight")]
    [InlineData("model.layers.1.layer_scalar"), InlineData("model.layers.2.self_attn.q_proj.weight")]
    public void Without_a_tensor_or_with_one_of_another_shape(string name)
    {
        (long[] shape, float[] values) = folder.Tensors[name];
        folder.Tensors.Remove(name);
        folder.Write();
        Assert.Contains($"tensor \"{name}\" is missing", Assert.Throws<CheckpointException>(Open).Message, StringComparison.Ordinal);
        folder.Tensors[name] = ([shape[0] + 1, .. shape[1..]], [.. values, .. new float[values.Length / shape[0]]]);
        folder.Write();
        Assert.Contains($"tensor \"{name}\" has shape [{shape[0] + 1}", Assert.Throws<CheckpointException>(Open).Message, StringComparison.Ordinal);
        values[0] = float.NaN;
        folder.Tensors[name] = (shape, values);
        folder.Write();
        Assert.Contains(name, Assert.Throws<CheckpointException>(Open).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void With_a_tensor_too_many()
    {
        folder.Tensors["model.layers.0.mlp.extra.weight"] = ([1], [1]);
        folder.Write();
        Assert.Contains("\"model.layers.0.mlp.extra.weight\"", Assert.Throws<CheckpointException>(Open).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void With_an_ordering_that_is_none()
    {
        folder.Ordering![5] = folder.Ordering[6];
        folder.Write();
        Assert.Contains("expected every id from 0 to 255 once", Assert.Throws<CheckpointException>(Open).Message, StringComparison.Ordinal);
        folder.Ordering[5] = 256;
        folder.Write();
        Assert.Contains("holds 256", Assert.Throws<CheckpointException>(Open).Message, StringComparison.Ordinal);
        folder.Ordering = folder.Ordering[1..];
        folder.Write();
        Assert.Contains("has shape [255], expected [256]", Assert.Throws<CheckpointException>(Open).Message, StringComparison.Ordinal);
        folder.Ordering = null;
        folder.Write();
        Assert.Contains("token_ordering\" is missing", Assert.Throws<CheckpointException>(Open).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void That_is_not_there()
        => Assert.Contains("no such folder", Assert.Throws<ConfigException>(() => Open(folder.Path + "/nothing")).Message, StringComparison.Ordinal);

    [Fact]
    public void That_is_a_model_of_its_own()
        => Assert.Contains("model_type is \"gemma4_text\"", Assert.Throws<ConfigException>(() => Open(Goldens.Case("moe_keqv_bf16"))).Message, StringComparison.Ordinal);

    [Fact]
    public void A_drafter_is_no_model()
        => Assert.Contains("model_type is \"gemma4_assistant\": a drafter", Assert.Throws<ConfigException>(() => LanguageModel.Open(folder.Path, kernels, new LanguageModelOptions())).Message, StringComparison.Ordinal);

    private LanguageModel Open() => Open(folder.Path);

    private LanguageModel Open(string drafter)
        => LanguageModel.Open(Goldens.Case("moe_keqv_bf16"), kernels, new LanguageModelOptions { Speculative = new MtpConfig(2, drafter) });
}
