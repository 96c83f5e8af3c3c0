using System.Text.Json.Nodes;
using Lapidary.Quantization;
using Lapidary.Tests.Checkpoints;

namespace Lapidary.Tests.Quantization;

/// <summary>Quantisation configurations as quantisers write them, and those that are refused.</summary>
public sealed class ConfigTests
{
    private const string Group = "{\"targets\":[\"Linear\"],\"weights\":{\"num_bits\":4,\"type\":\"int\",\"strategy\":\"group\",\"group_size\":32}}";

    private static string Tensors(string groups, string format = "pack-quantized", string more = "")
        => $"{{\"quant_method\":\"compressed-tensors\",\"format\":\"{format}\",\"config_groups\":{{{groups}}}{more}}}";

    private static string? Layout(string config, string module, string prefix = "model.") => QuantFixtures.Parse(config).LayoutOf(new ModuleName(prefix, module))?.Description;

    public static TheoryData<string, string> Refused => new()
    {
        { "{\"quant_method\":\"magic\"}", "quant_method is \"magic\", which is not supported; known: gptq, awq, compressed-tensors" },
        { "{\"bits\":4}", "no \"quant_method\"" },
        { "{\"quant_method\":\"gptq\",\"bits\":5,\"group_size\":32}", "bits is 5" },
        { "{\"quant_method\":\"gptq\",\"bits\":4}", "no \"group_size\"" },
        { "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":0}", "\"group_size\" is 0" },
        { "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":32,\"checkpoint_format\":\"marlin\"}", "checkpoint_format is \"marlin\"" },
        { "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":32,\"pack_dtype\":\"int8\"}", "pack_dtype is \"int8\"" },
        { "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":32,\"dynamic\":{\"-:(\":{}}}", "no valid regular expression" },
        { "{\"quant_method\":\"awq\",\"bits\":8}", "bits is 8" },
        { "{\"quant_method\":\"awq\",\"version\":\"gemv_fast\"}", "version is \"gemv_fast\"" },
        { "{\"quant_method\":\"fp8\",\"weight_block_size\":[128]}", "weight_block_size is [128]" },
        { "{\"quant_method\":\"fp8\",\"weight_block_size\":[128,0]}", "weight_block_size is [128, 0]" },
        { "{\"quant_method\":\"fp8\",\"activation_scheme\":\"none\"}", "activation_scheme is \"none\"" },
        { "{\"quant_method\":\"modelopt\"}", "no \"quant_algo\"" },
        { "{\"quant_method\":\"modelopt\",\"quant_algo\":\"W4A8_AWQ\"}", "quant_algo is \"W4A8_AWQ\"; supported: FP8" },
        { Tensors(Quoted(Group), "marlin-24"), "format is \"marlin-24\"" },
        { Tensors(Quoted(Group), "mixed-precision"), "format is \"mixed-precision\"" },
        { Tensors(Quoted(Group), "float-quantized"), "format \"float-quantized\" with int4 g32, expected 8-bit floats" },
        { Tensors(Quoted(Group), "nvfp4-pack-quantized"), "expected 4-bit floats in groups of 16" },
        { Tensors(Quoted("{\"targets\":[\"Linear\"],\"weights\":{\"num_bits\":4,\"strategy\":\"group\"}}")), "group_size is missing" },
        { Tensors(Quoted("{\"targets\":[\"Linear\"],\"weights\":{\"num_bits\":9,\"strategy\":\"channel\"}}")), "integers of 1 to 8 bits" },
        { Tensors(Quoted("{\"targets\":[\"Linear\"],\"weights\":{\"strategy\":\"block\",\"block_structure\":[128]}}"), "float-quantized"), "block_structure" },
        { Tensors(Quoted("{\"targets\":[\"Linear\"],\"weights\":{\"strategy\":\"block\",\"block_structure\":\"128\"}}"), "naive-quantized"), "block_structure is not two numbers above 0" },
        { Tensors(Quoted("{\"targets\":[\"Linear\"],\"weights\":{\"strategy\":\"block\",\"block_structure\":\"128x-1\"}}"), "naive-quantized"), "block_structure is not two numbers above 0" },
        { Tensors(Quoted(Group.Replace("32}", "32,\"actorder\":1}", StringComparison.Ordinal))), "\"actorder\" is 1, expected true or false" },
        { Tensors(Quoted(Group.Replace("32}", "32,\"actorder\":\"random\"}", StringComparison.Ordinal))), "actorder is \"random\"; known: group, weight" },
        { Tensors(Quoted("{\"weights\":{\"num_bits\":4}}")), "no \"targets\"" },
        { Tensors(Quoted("{\"targets\":[\"re:[\"],\"weights\":{\"num_bits\":4,\"strategy\":\"channel\"}}")), "no valid regular expression" },
        { Tensors(Quoted(Group), more: ",\"sparsity_config\":{\"format\":\"sparse-24-bitmask\"}"), "sparse checkpoints" },
        { Tensors(Quoted(Group), more: ",\"transform_config\":{\"config_groups\":{\"u\":{}}}"), "transform_config" },
        { "{\"quant_method\":\"compressed-tensors\"}", "no \"config_groups\"" },
    };

    private static string Quoted(string group) => $"\"group_0\":{group}";

    [Theory, MemberData(nameof(Refused))]
    public void A_configuration_that_cannot_be_read_is_refused(string config, string says)
        => Assert.Contains(says, Assert.Throws<ConfigException>(() => QuantFixtures.Parse(config)).Message, StringComparison.Ordinal);

    /// <summary>Names in a configuration may have another prefix than the tensors, as multimodal and text-only saves of one model do.</summary>
    [Theory]
    [InlineData("model.layers.0.self_attn.q_proj")]
    [InlineData("model.language_model.layers.0.self_attn.q_proj")]
    [InlineData("layers.0.self_attn.q_proj")]
    [InlineData(@"re:.*self_attn\\.q_proj$")]
    [InlineData(@"re:model\\.layers\\.\\d+\\.self_attn.*")]
    public void A_module_is_ignored_under_any_of_its_names(string ignored)
    {
        string config = Tensors(Quoted(Group), more: $",\"ignore\":[\"{ignored}\"]");
        Assert.Null(Layout(config, "layers.0.self_attn.q_proj", "model.language_model."));
        Assert.Equal("int4 g32", Layout(config, "layers.0.mlp.up_proj", "model.language_model."));
    }

    /// <summary>As Python's re.match: from the start of the name, but not to its end.</summary>
    [Fact]
    public void A_pattern_must_fit_from_the_start_of_the_name()
    {
        string config = Tensors(Quoted(Group), more: ",\"ignore\":[\"re:q_proj\"]");
        Assert.NotNull(Layout(config, "layers.0.self_attn.q_proj"));
        Assert.Null(Layout(Tensors(Quoted(Group), more: ",\"ignore\":[\"re:model.layers.1\"]"), "layers.17.self_attn.q_proj"));
    }

    [Fact]
    public void The_closest_target_decides()
    {
        string Weights(int bits) => $"{{\"num_bits\":{bits},\"type\":\"int\",\"strategy\":\"channel\"}}";
        string config = Tensors(
            $"\"a\":{{\"targets\":[\"Linear\"],\"weights\":{Weights(2)}}},\"b\":{{\"targets\":[\"re:.*proj\"],\"weights\":{Weights(3)}}},"
            + $"\"c\":{{\"targets\":[\"model.layers.0.mlp.up_proj\"],\"weights\":{Weights(4)}}},\"d\":{{\"targets\":[\"Embedding\"],\"weights\":{Weights(8)}}}");
        Assert.Equal("int4 per channel", Layout(config, "layers.0.mlp.up_proj"));
        Assert.Equal("int3 per channel", Layout(config, "layers.1.mlp.up_proj"));
        Assert.Equal("int2 per channel", Layout(config, "layers.0.mlp.other"));
        Assert.Equal("int8 per channel", Layout(config, "embed_tokens"));
    }

    /// <summary>A stacked parameter may be named by itself or by the module that holds it.</summary>
    [Theory]
    [InlineData("model.layers.0.experts.gate_up_proj")]
    [InlineData("model.layers.0.experts")]
    [InlineData("re:.*experts$")]
    public void Stacked_experts_are_found_by_either_name(string target)
    {
        string config = Tensors(Quoted(Group.Replace("Linear", target, StringComparison.Ordinal)));
        Assert.Equal("int4 g32", Layout(config, "layers.0.experts.gate_up_proj"));
        Assert.Null(Layout(config, "layers.0.mlp.up_proj"));
    }

    [Fact]
    public void Gptqmodel_gives_some_modules_settings_of_their_own()
    {
        const string Config = "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":32,\"dynamic\":{\"-:.*router.*\":{},\"+:.*down.*\":{\"bits\":8,\"group_size\":-1},\".*up.*\":{\"sym\":false}}}";
        Assert.Null(Layout(Config, "layers.0.router.proj"));
        Assert.Equal("int8 per channel", Layout(Config, "layers.0.mlp.down_proj"));
        Assert.Equal("uint4 g32", Layout(Config, "layers.0.mlp.up_proj"));
        Assert.Equal("int4 g32", Layout(Config, "layers.0.mlp.gate_proj"));
    }

    [Fact]
    public void Modelopt_leaves_out_what_its_wildcards_name()
    {
        const string Config = "{\"quant_method\":\"modelopt\",\"quant_algo\":\"NVFP4\",\"ignore\":[\"model.layers.0*\",\"*router*\",\"lm_head\"]}";
        Assert.Null(Layout(Config, "layers.0.mlp.up_proj"));
        Assert.Null(Layout(Config, "layers.3.router.proj"));
        Assert.Null(Layout(Config, "lm_head"));
        Assert.NotNull(Layout(Config, "layers.3.mlp.up_proj"));
    }

    [Fact]
    public void Modelopt_mixes_algorithms_by_layer()
    {
        const string Config = "{\"quantization\":{\"quant_algo\":\"MIXED_PRECISION\",\"quantized_layers\":{\"model.layers.0.mlp.up_proj\":{\"quant_algo\":\"FP8\"},\"model.layers.0.experts*\":{\"quant_algo\":\"NVFP4\",\"group_size\":16}}},\"quant_method\":\"modelopt\"}";
        Assert.Equal("fp8 per tensor", Layout(Config, "layers.0.mlp.up_proj"));
        Assert.Equal("nvfp4 g16", Layout(Config, "layers.0.experts.3.up_proj"));
        Assert.Null(Layout(Config, "layers.0.mlp.down_proj"));
    }

    [Theory]
    [InlineData("quantization_config", true)]
    [InlineData("compression_config", true)]
    [InlineData("quantization_config", false)]
    [InlineData("compression_config", false)]
    public void It_is_found_at_the_top_of_config_json_or_in_text_config(string key, bool atTop)
    {
        JsonObject holder = new() { [key] = JsonNode.Parse(Tensors(Quoted(Group))) };
        JsonObject root = atTop ? holder : new JsonObject { ["text_config"] = holder };
        byte[] json = System.Text.Encoding.UTF8.GetBytes(root.ToJsonString());
        Assert.Equal("compressed-tensors pack-quantized, int4 g32", JsonConfig.Parse(json, "c", c => QuantizationConfig.Find(c, null))!.Summary);
    }

    [Theory]
    [InlineData("hf_quant_config.json", "{\"quantization\":{\"quant_algo\":\"FP8\"}}", "modelopt FP8")]
    [InlineData("quantize_config.json", "{\"bits\":4,\"group_size\":128,\"desc_act\":true,\"sym\":false}", "gptq, uint4 g128 act-order")]
    [InlineData("quantize_config.json", "{\"method\":\"awq\",\"bits\":4,\"group_size\":128,\"format\":\"gemm\"}", "awq gemm, uint4 g128 with zero points")]
    [InlineData("quant_config.json", "{\"w_bit\":4,\"q_group_size\":64,\"zero_point\":true,\"version\":\"GEMM\"}", "awq gemm, uint4 g64 with zero points")]
    public void It_is_found_beside_config_json(string file, string json, string summary)
    {
        using CheckpointFolder folder = new();
        folder.Write(file, json);
        Assert.StartsWith(summary, JsonConfig.Parse("{}"u8.ToArray(), "c", c => QuantizationConfig.Find(c, folder.Path))!.Summary, StringComparison.Ordinal);
    }

    /// <summary>Spellings of other versions of the quantisers.</summary>
    [Theory]
    [InlineData("{\"method\":\"gptq\",\"bits\":4,\"group_size\":32,\"format\":\"gptq_v2\"}", "gptq v2, int4 g32")]
    [InlineData("{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":32,\"format\":\"gemv\"}", "awq gemv, uint4 g32 with zero points")]
    [InlineData("{\"quant_method\":\"awq\",\"bits\":4,\"checkpoint_format\":\"GEMM\",\"format\":\"gemm\"}", "awq gemm, uint4 g128 with zero points")]
    public void Older_and_newer_names_mean_the_same(string config, string summary) => Assert.Equal(summary, QuantFixtures.Parse(config).Summary);

    [Theory]
    [InlineData("\"actorder\":true", "int4 g32 act-order")]
    [InlineData("\"actorder\":\"group\"", "int4 g32 act-order")]
    [InlineData("\"actorder\":\"dynamic\"", "int4 g32 act-order")]
    [InlineData("\"actorder\":false", "int4 g32")]
    [InlineData("\"actorder\":null", "int4 g32")]
    [InlineData("\"actorder\":\"weight\"", "int4 g32")]
    [InlineData("\"actorder\":\"static\"", "int4 g32")]
    public void Act_order_is_a_word_or_true(string actOrder, string layout)
        => Assert.Equal(layout, Layout(Tensors(Quoted(Group.Replace("32}", $"32,{actOrder}}}", StringComparison.Ordinal))), "layers.0.mlp.up_proj"));

    [Theory, InlineData("[128,64]"), InlineData("\"128x64\"")]
    public void Blocks_are_two_numbers_or_a_text_of_them(string block)
        => Assert.Equal("fp8 in blocks of 128x64", Layout(Tensors(Quoted($"{{\"targets\":[\"Linear\"],\"weights\":{{\"num_bits\":8,\"type\":\"float\",\"strategy\":\"block\",\"block_structure\":{block}}}}}"), "float-quantized"), "layers.0.mlp.up_proj"));

    [Fact]
    public void What_is_not_done_is_said()
    {
        string config = Tensors(
            "\"g\":{\"targets\":[\"Linear\"],\"weights\":{\"num_bits\":8,\"type\":\"float\",\"strategy\":\"channel\"},\"input_activations\":{\"num_bits\":8,\"type\":\"float\",\"dynamic\":true}}",
            "float-quantized", ",\"kv_cache_scheme\":{\"num_bits\":8}");
        Assert.Equal(
            "weights: compressed-tensors float-quantized, fp8 per channel; activations are not quantised as the checkpoint asks, which is for dynamic float8 input activations; "
            + "the checkpoint's scales for a quantised cache of keys and values are not used",
            Sorted(QuantFixtures.Parse(config).ToString()));
    }

    private static string Sorted(string line)
    {
        const string Cache = "; the checkpoint's scales for a quantised cache of keys and values are not used";
        return line.Contains(Cache, StringComparison.Ordinal) ? line.Replace(Cache, "", StringComparison.Ordinal) + Cache : line;
    }
}
