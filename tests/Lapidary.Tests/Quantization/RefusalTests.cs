using Lapidary.Checkpoints;
using Lapidary.Quantization;

namespace Lapidary.Tests.Quantization;

/// <summary>A damaged or contradictory quantised matrix is refused with its tensor's name, never read as something else.</summary>
public sealed class RefusalTests
{
    private const string Linear = "model.layers.0.self_attn.q_proj.", Stacked = "model.layers.0.experts.gate_up_proj_";

    /// <summary>What is done to which fixture, and what the message must say.</summary>
    private static readonly Dictionary<string, (string Fixture, Action<LooseTensors> Damage, string[] Says)> Damages = new()
    {
        ["scales missing"] = ("gptq4_sym_v1", t => t.Remove(Linear + "scales"), [Linear + "scales", "is missing", "present: "]),
        ["zero points missing"] = ("gptq4_sym_v1", t => t.Remove(Linear + "qzeros"), [Linear + "qzeros", "is missing"]),
        ["indices missing"] = ("gptq4_sym_v1_act", t => t.Remove(Linear + "g_idx"), [Linear + "g_idx", "is missing"]),
        ["codes of another shape"] = ("gptq4_sym_v1", t => t.Reshape(Linear + "qweight", DType.I32, 16, 16), [Linear + "qweight", "[16, 16]", "expected [8, 32]", "num_bits"]),
        ["codes of another dtype"] = ("gptq4_sym_v1", t => t.Reshape(Linear + "qweight", DType.F32, 8, 32), [Linear + "qweight", "F32", "expected I32"]),
        ["codes without axes"] = ("awq_g32", t => t.Set(Linear + "qweight", DType.I32, [], new byte[4]), [Linear + "qweight", "expected [64, 4]"]),
        ["scales of another shape"] = ("awq_g32", t => t.Reshape(Linear + "scales", DType.F16, 4, 16), [Linear + "scales", "[4, 16]", "expected [2, 32]"]),
        ["group out of range"] = ("gptq4_sym_v1_act", t => t.Edit(Linear + "g_idx", bytes => bytes[12] = 2), [Linear + "g_idx", "column 3", "group 2", "expected 0 to 1"]),
        ["group below zero"] = ("gptq4_sym_v1_act", t => t.Edit(Linear + "g_idx", bytes => bytes.AsSpan(0, 4).Fill(255)), [Linear + "g_idx", "column 0", "group -1"]),
        ["order without desc_act"] = ("gptq4_sym_v1", t => t.Edit(Linear + "g_idx", bytes => bytes[0] = 1), [Linear + "g_idx", "desc_act is false"]),
        ["infinite scale"] = ("gptq4_sym_v1", t => t.Edit(Linear + "scales", bytes => bytes[7] = 0x7c), [Linear + "scales", "element 3", "not finite"]),
        ["scale that overflows"] = ("ct_int4_f32_scales", t => t.Edit(Linear + "weight_scale", bytes => BitConverter.TryWriteBytes(bytes, 1e38f)), [Linear + "weight_scale", "element 0", "not finite"]),
        ["symmetric with a zero point of its own"] = ("gptq4_sym_v1", t => t.Edit(Linear + "qzeros", bytes => bytes[0] = 0x73), [Linear + "qzeros", "zero point 4", "expected 8", "sym is true"]),
        ["second format said to be the first"] = ("gptq4_sym_v1", t => t.Edit(Linear + "qzeros", bytes => bytes.AsSpan().Fill(0x88)), [Linear + "qzeros", "zero point 9", "gptq_v2"]),
        ["bias"] = ("awq_g32", t => t.Set(Linear + "bias", DType.F16, [32], [.. Enumerable.Repeat((byte)1, 64)]), [Linear + "bias", "no"]),
        ["shape that disagrees"] = ("ct_int4_sym", t => t.Edit(Linear + "weight_shape", bytes => bytes[8] = 63), [Linear + "weight_shape", "[32, 63]", "expected [32, 64]"]),
        ["shape of no matrix"] = ("ct_int4_sym", t => t.Set(Linear + "weight_shape", DType.I64, [1], new byte[8]), [Linear + "weight_shape", "extents"]),
        ["packed zero point of another shape"] = ("ct_int4_asym", t => t.Reshape(Linear + "weight_zero_point", DType.I32, 2, 4), [Linear + "weight_zero_point", "[2, 4]", "expected [4, 2]"]),
        ["no zero point"] = ("ct_int4_asym", t => t.Remove(Linear + "weight_zero_point"), [Linear + "weight_zero_point", "is missing"]),
        ["zero point of a symmetric weight"] = ("ct_int4_sym", t => t.Set(Linear + "weight_zero_point", DType.I8, [32, 2], [.. Enumerable.Repeat((byte)1, 64)]), [Linear + "weight_zero_point", "symmetric"]),
        ["NaN scale of fp8"] = ("ct_nvfp4", t => t.Edit(Linear + "weight_scale", bytes => bytes[5] = 0x7f), [Linear + "weight_scale", "NaN", "element 5"]),
        ["power of two that is NaN"] = ("ct_mxfp4", t => t.Edit(Linear + "weight_scale", bytes => bytes[9] = 255), [Linear + "weight_scale", "NaN", "element 9"]),
        ["global scale of zero"] = ("ct_nvfp4", t => t.Edit(Linear + "weight_global_scale", bytes => bytes.AsSpan().Clear()), [Linear + "weight_global_scale", "is 0", "above 0"]),
        ["global scale missing"] = ("modelopt_nvfp4", t => t.Remove(Linear + "weight_scale_2"), [Linear + "weight_scale_2", "is missing"]),
        ["input to be scaled first"] = ("modelopt_nvfp4", t => t.Set(Linear + "pre_quant_scale", DType.F32, [64], new byte[256]), [Linear + "pre_quant_scale", "not supported"]),
        ["blocks of another width"] = ("mxfp4_blocks", t => t.Reshape(Linear + "weight_blocks", DType.U8, 32, 4, 8), [Linear + "weight_blocks", "expected [32, 2, 16]"]),
        ["block scales of another shape"] = ("fp8_block", t => t.Reshape(Linear + "weight_scale_inv", DType.F32, 4, 1), [Linear + "weight_scale_inv", "[4, 1]", "expected [2, 2]"]),
        ["fp8 scale missing"] = ("fp8_block", t => t.Remove(Linear + "weight_scale_inv"), [Linear + "weight_scale", "is missing"]),
        ["experts of another number"] = ("stacked_ct_int4_sym", t => t.Reshape(Stacked + "packed", DType.I32, 1, 96, 8), [Stacked + "packed", "[1, 96, 8]", "expected 3 matrices"]),
        ["expert scales of another number"] = ("stacked_fp8_block", t => t.Reshape(Stacked + "scale_inv", DType.F32, 2, 6), [Stacked + "scale_inv", "expected 3 matrices"]),
    };

    public static TheoryData<string> Cases => [.. Damages.Keys];

    [Theory, MemberData(nameof(Cases))]
    public void A_damaged_matrix_is_refused_by_name(string damage)
    {
        (string name, Action<LooseTensors> apply, string[] says) = Damages[damage];
        QuantFixture fixture = QuantFixtures.All[name];
        using LooseTensors checkpoint = new(name);
        LayoutTests.Read(checkpoint, fixture, fixture.Config); // whole, it reads
        apply(checkpoint);
        string message = Assert.Throws<CheckpointException>(() => LayoutTests.Read(checkpoint, fixture, fixture.Config)).Message;
        Assert.All(says, part => Assert.Contains(part, message, StringComparison.Ordinal));
    }

    [Fact]
    public void Codes_that_are_not_numbers_are_found_when_all_are_looked_at()
    {
        using LooseTensors checkpoint = new("ct_fp8_channel");
        checkpoint.Edit(Linear + "weight", bytes => bytes[64 + 3] = 0xff);
        QuantFixture fixture = QuantFixtures.All["ct_fp8_channel"];
        StoredMatrix matrix = LayoutTests.Read(checkpoint, fixture, fixture.Config)[0];
        string message = Assert.Throws<CheckpointException>(() => matrix.RequireFinite("here")).Message;
        Assert.Contains("row 1, column 3", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_bias_of_zeros_changes_nothing()
    {
        using LooseTensors checkpoint = new("awq_g32");
        checkpoint.Set(Linear + "bias", DType.F16, [32], new byte[64]);
        Assert.Single(LayoutTests.Read(checkpoint, QuantFixtures.All["awq_g32"], QuantFixtures.All["awq_g32"].Config));
    }

    [Fact]
    public void Quantised_weights_without_a_configuration_are_refused()
    {
        using LooseTensors checkpoint = new("awq_g32");
        string message = Assert.Throws<CheckpointException>(() => new TensorSource(checkpoint, quantization: null).Matrix("layers.0.self_attn.q_proj", 32, 64)).Message;
        Assert.Contains("no quantization_config", message, StringComparison.Ordinal);
        Assert.Contains(Linear + "qweight", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Quantised_weights_that_the_configuration_ignores_are_refused()
    {
        QuantFixture fixture = QuantFixtures.All["ct_int4_sym"];
        using LooseTensors checkpoint = new("ct_int4_sym");
        string config = fixture.Config.Replace("\"lm_head\"", "\"re:.*q_proj\"", StringComparison.Ordinal);
        string message = Assert.Throws<CheckpointException>(() => LayoutTests.Read(checkpoint, fixture, config)).Message;
        Assert.Contains("leaves it out", message, StringComparison.Ordinal);
        Assert.Contains(Linear + "weight_packed", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Scales_of_activations_are_accounted_for_only_beside_weights()
    {
        QuantFixture fixture = QuantFixtures.All["ct_int4_sym"];
        using LooseTensors checkpoint = new("ct_int4_sym");
        foreach (string name in new[] { Linear + "input_scale", Linear + "k_scale", "model.layers.0.self_attn.v_scale", "model.layers.7.self_attn.v_scale" })
            checkpoint.Set(name, DType.F32, [1], new byte[4]);
        TensorSource source = new(checkpoint, QuantFixtures.Parse(fixture.Config));
        source.Matrix(fixture.ShortName, fixture.Rows, fixture.Columns);
        source.Require("embed_tokens.weight", 1, 1);
        Assert.Equal(["model.layers.7.self_attn.v_scale"], source.Unused());
    }
}
