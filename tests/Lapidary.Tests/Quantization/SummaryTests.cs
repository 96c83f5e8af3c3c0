using Lapidary.Quantization;

namespace Lapidary.Tests.Quantization;

/// <summary>What inspect and the line after a run say of a checkpoint's quantisation: all of it, word for word.</summary>
public sealed class SummaryTests
{
    private const string Cache = "the checkpoint's scales for a quantised cache of keys and values are not used";
    private const string Activations = "activations are not quantised as the checkpoint asks, which is for ";

    private static string Gptq(string more) => $"{{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":32{more}}}";

    private static string Tensors(string format, string weights, string more = "", string group = "")
        => $"{{\"quant_method\":\"compressed-tensors\",\"format\":\"{format}\",\"config_groups\":{{\"g\":{{\"targets\":[\"Linear\"],\"weights\":{weights}{group}}}}}{more}}}";

    public static TheoryData<string, string> Summaries => new()
    {
        { Gptq(""), "weights: gptq, int4 g32" },
        { Gptq(",\"format\":\"gptq_v2\""), "weights: gptq v2, int4 g32" },
        { Gptq(",\"sym\":false,\"desc_act\":true"), "weights: gptq, uint4 g32 act-order" },
        { Gptq(",\"dynamic\":{\"-:.*gate.*\":{},\".*up.*\":{\"bits\":8}}"), "weights: gptq, int4 g32, 2 exceptions" },
        { "{\"quant_method\":\"gptq\",\"bits\":8,\"group_size\":-1}", "weights: gptq, int8 per channel" },
        { "{\"quant_method\":\"awq\"}", "weights: awq gemm, uint4 g128 with zero points" },
        { "{\"quant_method\":\"awq\",\"w_bit\":4,\"q_group_size\":-1,\"version\":\"GEMV\"}", "weights: awq gemv, uint4 per channel with zero points" },
        { "{\"quant_method\":\"awq\",\"version\":\"exllama\",\"group_size\":64}", "weights: awq exllama, uint4 g64 with zero points" },
        { "{\"quant_method\":\"awq\",\"version\":\"ipex\",\"backend\":\"autoawq\"}", "weights: awq ipex, uint4 g128 with zero points" },
        { "{\"quant_method\":\"awq\",\"version\":\"marlin\"}", "weights: awq marlin, uint4 g128 with zero points" },
        { "{\"quant_method\":\"awq\",\"checkpoint_format\":\"gemv\"}", "weights: awq gemv, uint4 g128 with zero points" },
        { "{\"quant_method\":\"fp8\"}", $"weights: fp8, 8-bit floats per tensor or channel; {Activations}dynamic fp8 ones" },
        { "{\"quant_method\":\"fp8\",\"fmt\":\"e5m2\",\"weight_block_size\":[1,16777216],\"activation_scheme\":\"static\"}", $"weights: fp8, 8-bit floats in blocks of 1x16777216; {Activations}static fp8 ones" },
        { "{\"quant_method\":\"fp8\",\"fmt\":\"float8_e4m3fn\",\"weight_block_size\":[128,64]}", $"weights: fp8, 8-bit floats in blocks of 128x64; {Activations}dynamic fp8 ones" },
        { "{\"quant_method\":\"fbgemm_fp8\"}", $"weights: fbgemm_fp8, 8-bit floats per channel; {Activations}dynamic fp8 ones" },
        { "{\"quant_method\":\"mxfp4\"}", "weights: mxfp4, e2m1 g32 with power-of-two scales" },
        { "{\"quant_method\":\"modelopt\",\"quant_algo\":\"FP8\",\"kv_cache_scheme\":{\"num_bits\":8}}", $"weights: modelopt FP8, fp8 per tensor; {Activations}those of FP8; {Cache}" },
        { "{\"quant_method\":\"modelopt_fp4\",\"quant_algo\":\"NVFP4\",\"kv_cache_quant_algo\":\"FP8\",\"group_size\":16}", $"weights: modelopt NVFP4, nvfp4 g16; {Activations}those of NVFP4; {Cache}" },
        { "{\"quant_method\":\"modelopt\",\"quant_algo\":\"W4A16_NVFP4\"}", "weights: modelopt W4A16_NVFP4, nvfp4 g16" },
        { "{\"quant_method\":\"modelopt\",\"quant_algo\":\"FP8_PB_WO\"}", $"weights: modelopt FP8_PB_WO, fp8 in blocks of 128x128; {Activations}those of FP8_PB_WO" },
        { "{\"quant_method\":\"modelopt\",\"quant_algo\":\"MIXED_PRECISION\",\"quantized_layers\":{}}", $"weights: modelopt MIXED_PRECISION; {Activations}those of MIXED_PRECISION" },
        { Tensors("pack-quantized", "{\"num_bits\":4}"), "weights: compressed-tensors pack-quantized, int4 per tensor" },
        { Tensors("pack-quantized", "{\"num_bits\":3,\"group_size\":-1}"), "weights: compressed-tensors pack-quantized, int3 per channel" },
        { Tensors("pack-quantized", "{\"num_bits\":4,\"group_size\":64,\"symmetric\":false,\"actorder\":\"group\"}"), "weights: compressed-tensors pack-quantized, int4 g64 with zero points act-order" },
        { Tensors("int-quantized", "{\"strategy\":\"channel\",\"symmetric\":false}"), "weights: compressed-tensors int-quantized, int8 per channel with zero points" },
        { Tensors("int-quantized", "{\"group_size\":32,\"actorder\":true}"), "weights: compressed-tensors int-quantized, int8 g32 act-order" },
        { Tensors("naive-quantized", "{\"type\":\"FLOAT\",\"strategy\":\"Tensor\"}"), "weights: compressed-tensors naive-quantized, fp8 per tensor" },
        { Tensors("mxfp8-quantized", "{\"type\":\"float\",\"group_size\":32}"), "weights: compressed-tensors mxfp8-quantized, fp8 g32" },
        { Tensors("nvfp4-pack-quantized", "{\"type\":\"float\",\"num_bits\":4,\"strategy\":\"tensor_group\",\"group_size\":16}"), "weights: compressed-tensors nvfp4-pack-quantized, nvfp4 g16" },
        { Tensors("mxfp4-pack-quantized", "{\"type\":\"float\",\"num_bits\":4,\"group_size\":32}"), "weights: compressed-tensors mxfp4-pack-quantized, mxfp4 g32" },
        { Tensors("float-quantized", "{\"type\":\"float\",\"strategy\":\"channel\"}", group: ",\"input_activations\":{\"type\":\"float\"},\"output_activations\":{\"num_bits\":16,\"dynamic\":true}"), $"weights: compressed-tensors float-quantized, fp8 per channel; {Activations}static float8 input activations; {Activations}dynamic int16 output activations" },
        { Tensors("int-quantized", "{\"strategy\":\"channel\"}", ",\"kv_cache_scheme\":{\"num_bits\":8}", ",\"input_activations\":{\"dynamic\":true,\"strategy\":\"token\"}"), $"weights: compressed-tensors int-quantized, int8 per channel; {Cache}; {Activations}dynamic int8 input activations" },
        { Tensors("dense", "null", ",\"sparsity_config\":{\"format\":\"dense\"},\"transform_config\":{}"), "weights: compressed-tensors dense, no weights" },
        { "{\"config_groups\":{\"g\":{\"targets\":[\"Linear\"]}}}", "weights: compressed-tensors dense, no weights" },
        { "{\"quant_method\":\"compressed-tensors\",\"format\":\"mixed-precision\",\"config_groups\":{\"a\":{\"targets\":[\"Linear\"],\"format\":\"pack-quantized\",\"weights\":{\"num_bits\":4}},\"b\":{\"targets\":[\"re:.*down\"],\"format\":\"int-quantized\",\"weights\":{}}}}", "weights: compressed-tensors mixed-precision, int4 per tensor and int8 per tensor" },
    };

    [Theory, MemberData(nameof(Summaries))]
    public void A_configuration_says_what_it_is_and_what_is_not_done(string config, string says)
        => Assert.Equal(says, QuantFixtures.Parse(config).ToString());

    public static TheoryData<string, string> Refusals => new()
    {
        { Gptq(",\"is_marlin_format\":true"), "is_marlin_format is true; weights repacked for that kernel cannot be read" },
        { "{\"quant_method\":\"gptq\",\"group_size\":32}", "has no \"bits\"" },
        { "{\"quant_method\":\"awq\",\"w_bit\":3}", "bits is 3; AWQ checkpoints have 4" },
        { "{\"quant_method\":\"awq\",\"backend\":\"llm-awq\"}", "backend is \"llm-awq\", whose packing is not supported" },
        { "{\"quant_method\":\"fp8\",\"fmt\":\"e3m4\"}", "fmt is \"e3m4\"; supported: e4m3, e5m2" },
        { "{\"quant_method\":\"fp8\",\"weight_block_size\":[128,16777217]}", "weight_block_size is [128, 16777217]" },
        { "{\"quant_method\":\"modelopt\",\"quant_algo\":\"NVFP4\",\"group_size\":32}", "group_size is 32; NVFP4 has 16" },
        { "{\"quant_method\":\"modelopt\",\"quant_algo\":\"MIXED_PRECISION\"}", "\"quantized_layers\" is missing" },
        { "{\"quant_method\":\"modelopt\",\"quant_algo\":\"MIXED_PRECISION\",\"quantized_layers\":{\"a\":{}}}", "quant_algo is \"\"; supported: FP8" },
        { "{\"quant_method\":\"magic\"}", "known: gptq, awq, compressed-tensors, fp8, fbgemm_fp8, mxfp4, modelopt" },
        { "{}", "no \"quant_method\"; known: gptq, awq, compressed-tensors, fp8, fbgemm_fp8, mxfp4, modelopt" },
        { Tensors("dense", "{\"num_bits\":4}"), "format is \"dense\"; supported: pack-quantized, int-quantized, float-quantized" },
        { Tensors("pack-quantized", "{\"type\":\"float\",\"strategy\":\"channel\"}"), "format \"pack-quantized\" with float8 per channel, expected integers of 1 to 8 bits by tensor, channel or group" },
        { Tensors("pack-quantized", "{\"strategy\":\"block\",\"block_structure\":[128,128],\"symmetric\":false}"), "with int8 in blocks of 128x128 with zero points, expected integers" },
        { Tensors("int-quantized", "{\"type\":\"float\",\"strategy\":\"channel\"}"), "format \"int-quantized\" with float8 per channel, expected integers of 1 to 8 bits" },
        { Tensors("int-quantized", "{\"num_bits\":16,\"strategy\":\"channel\"}"), "with int16 per channel, expected integers of 1 to 8 bits" },
        { Tensors("float-quantized", "{\"type\":\"float\",\"num_bits\":4,\"strategy\":\"channel\"}"), "with float4 per channel, expected 8-bit floats" },
        { Tensors("naive-quantized", "{\"type\":\"float\",\"num_bits\":16,\"strategy\":\"channel\"}"), "with float16 per channel, expected 8-bit floats" },
        { Tensors("mxfp8-quantized", "{\"type\":\"int\",\"group_size\":32}"), "with int8 g32, expected 8-bit floats in groups of 32" },
        { Tensors("mxfp8-quantized", "{\"type\":\"float\",\"num_bits\":4,\"group_size\":32}"), "with float4 g32, expected 8-bit floats in groups of 32" },
        { Tensors("mxfp8-quantized", "{\"type\":\"float\",\"group_size\":16}"), "with float8 g16, expected 8-bit floats in groups of 32" },
        { Tensors("nvfp4-pack-quantized", "{\"type\":\"int\",\"num_bits\":4,\"group_size\":16}"), "with int4 g16, expected 4-bit floats in groups of 16" },
        { Tensors("nvfp4-pack-quantized", "{\"type\":\"float\",\"num_bits\":8,\"group_size\":16}"), "with float8 g16, expected 4-bit floats in groups of 16" },
        { Tensors("nvfp4-pack-quantized", "{\"type\":\"float\",\"num_bits\":4,\"group_size\":32}"), "with float4 g32, expected 4-bit floats in groups of 16" },
        { Tensors("mxfp4-pack-quantized", "{\"type\":\"int\",\"num_bits\":4,\"group_size\":32}"), "with int4 g32, expected 4-bit floats in groups of 32" },
        { Tensors("mxfp4-pack-quantized", "{\"type\":\"float\",\"num_bits\":8,\"group_size\":32}"), "with float8 g32, expected 4-bit floats in groups of 32" },
        { Tensors("mxfp4-pack-quantized", "{\"type\":\"float\",\"num_bits\":4,\"group_size\":16}"), "with float4 g16, expected 4-bit floats in groups of 32" },
        { Tensors("pack-quantized", "{\"strategy\":\"token\"}"), "strategy is \"token\"; supported: tensor, channel, group, tensor_group, block" },
        { Tensors("pack-quantized", "{\"strategy\":\"group\",\"group_size\":-1}"), "strategy is \"group\" but group_size is -1" },
        { Tensors("float-quantized", "{\"type\":\"float\",\"strategy\":\"block\",\"block_structure\":[0,128]}"), "block_structure is not two numbers above 0" },
        { Tensors("float-quantized", "{\"type\":\"float\",\"strategy\":\"block\",\"block_structure\":[128,0]}"), "block_structure is not two numbers above 0" },
    };

    [Theory, MemberData(nameof(Refusals))]
    public void A_configuration_that_contradicts_itself_is_refused(string config, string says)
        => Assert.Contains(says, Assert.Throws<ConfigException>(() => QuantFixtures.Parse(config)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("{\"quant_method\":\"modelopt\",\"quant_algo\":\"FP8\",\"exclude_modules\":[\"*up_proj\"],\"ignore\":[\"*down_proj\"]}")]
    [InlineData("{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":32,\"dynamic\":{\"-:.*up_proj\":{}}}")]
    public void What_is_left_out_has_no_layout(string config)
    {
        QuantizationConfig parsed = QuantFixtures.Parse(config);
        Assert.Null(parsed.LayoutOf(new ModuleName("model.", "layers.0.mlp.up_proj")));
        Assert.NotNull(parsed.LayoutOf(new ModuleName("model.", "layers.0.mlp.down_proj")));
    }

    /// <summary>Settings of an exception that it does not give are those of the whole.</summary>
    [Fact]
    public void Exceptions_inherit()
    {
        QuantizationConfig parsed = QuantFixtures.Parse(Gptq(",\"sym\":false,\"desc_act\":true,\"dynamic\":{\".*up.*\":{\"bits\":8},\".*down.*\":{\"desc_act\":false,\"sym\":true,\"group_size\":64}}"));
        Assert.Equal("uint8 g32 act-order", parsed.LayoutOf(new ModuleName("model.", "layers.0.mlp.up_proj"))!.Description);
        Assert.Equal("int4 g64", parsed.LayoutOf(new ModuleName("model.", "layers.0.mlp.down_proj"))!.Description);
    }
}
