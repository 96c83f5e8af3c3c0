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
        ["bias of another kind"] = ("awq_g32", t => t.Set(Linear + "bias", DType.I32, [32], new byte[128]), [Linear + "bias", "is a bias; this model has none"]),
        ["bias with one number"] = ("awq_g32", t => t.Set(Linear + "bias", DType.F32, [2], [0, 0, 0, 0, 0, 0, 128, 63]), [Linear + "bias", "is a bias"]),
        ["bias of gemv"] = ("awq_gemv", SetBias, [Linear + "bias", "is a bias"]),
        ["bias of gptq"] = ("gptq4_sym_v1", SetBias, [Linear + "bias", "is a bias"]),
        ["bias of fp4"] = ("ct_nvfp4", SetBias, [Linear + "bias", "is a bias"]),
        ["bias of fp8"] = ("fp8_block", SetBias, [Linear + "bias", "is a bias"]),
        ["bias of packed integers"] = ("ct_int4_sym", SetBias, [Linear + "bias", "is a bias"]),
        ["scales that are integers"] = ("ct_int4_sym", t => t.Reshape(Linear + "weight_scale", DType.I16, 32, 2), [Linear + "weight_scale", "dtype I16, expected F32 or BF16 or F16"]),
        ["zero point that fits no symmetric weight"] = ("ct_int4_sym", t => t.Set(Linear + "weight_zero_point", DType.I32, [4, 2], new byte[32]), [Linear + "weight_zero_point", "symmetric"]),
        ["first symmetric zero point of one"] = ("ct_int4_sym", t => t.Set(Linear + "weight_zero_point", DType.I8, [32, 2], [1, .. new byte[63]]), [Linear + "weight_zero_point", "not 0"]),
        ["zero point that no format explains"] = ("gptq4_sym_v1", t => t.Edit(Linear + "qzeros", bytes => bytes[0] = 0x72), [Linear + "qzeros", "zero point 3", "sym is probably false, correct config.json"]),
        ["global scale that overflows"] = ("ct_nvfp4", t => t.Edit(Linear + "weight_global_scale", bytes => BitConverter.TryWriteBytes(bytes, 1e-38f)), [Linear + "weight_scale", "weights are not finite"]),
        ["indices of another dtype"] = ("ct_int4_actorder_sym", t => t.Reshape(Linear + "weight_g_idx", DType.F32, 64), [Linear + "weight_g_idx", "expected I32 or I64"]),
        ["partly downloaded"] = ("ct_int4_sym", t => t.Remove(Linear + "weight_packed"), [Linear + "weight_packed", "is missing", "the checkpoint may be partly downloaded, or config.json of another version"]),
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

    private static void SetBias(LooseTensors tensors) => tensors.Set(Linear + "bias", DType.F16, [32], [.. Enumerable.Repeat((byte)1, 64)]);

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

    /// <summary>The configuration says another thing than the tensors; the message says what is probably right.</summary>
    [Theory]
    [InlineData("gptq4_sym_v1", "\"checkpoint_format\":\"gptq\"", "\"checkpoint_format\":\"gptq_v2\"", "zero point 7 for output 0, group 0, expected 8 because sym is true; checkpoint_format is probably \"gptq\", correct config.json")]
    [InlineData("gptq4_sym_v2", "\"checkpoint_format\":\"gptq_v2\"", "\"checkpoint_format\":\"gptq\"", "zero point 9 for output 0, group 0, expected 8 because sym is true; checkpoint_format is probably \"gptq_v2\", correct config.json")]
    [InlineData("ct_fp8_channel", "\"symmetric\":true", "\"symmetric\":false", "is F8_E4M3 but quantization_config says it has zero points, which only integers have")]
    [InlineData("ct_int4_sym", "\"group_size\":32", "\"group_size\":16", "[32, 2], expected [32, 4]")]
    [InlineData("fp8_block", "[24,40]", "[40,24]", "weight_scale_inv\" has shape [2, 2], expected [1, 3]")]
    public void A_contradiction_is_explained(string name, string from, string to, string says)
    {
        QuantFixture fixture = QuantFixtures.All[name];
        using LooseTensors checkpoint = new(name);
        string config = fixture.Config.Replace(from, to, StringComparison.Ordinal);
        Assert.NotEqual(fixture.Config, config);
        Assert.Contains(says, Assert.Throws<CheckpointException>(() => LayoutTests.Read(checkpoint, fixture, config)).Message, StringComparison.Ordinal);
    }

    /// <summary>Extents that no word or byte holds a whole number of.</summary>
    [Theory]
    [InlineData("awq_g32", 36, 64, "packs 8 outputs a word, but the layer has 36")]
    [InlineData("ct_nvfp4", 32, 63, "packs two columns a byte, but the layer has 63")]
    public void A_layer_that_the_packing_does_not_fit_is_refused(string name, int rows, int columns, string says)
    {
        QuantFixture fixture = QuantFixtures.All[name] with { Rows = rows, Columns = columns };
        using LooseTensors checkpoint = new(name);
        Assert.Contains(says, Assert.Throws<CheckpointException>(() => LayoutTests.Read(checkpoint, fixture, fixture.Config)).Message, StringComparison.Ordinal);
    }

    /// <summary>Only gate and up in one matrix may have been quantised as two.</summary>
    [Fact]
    public void Halves_of_a_down_projection_are_refused()
    {
        QuantFixture fixture = QuantFixtures.All["stacked_fp8_halves"];
        using LooseTensors checkpoint = new(fixture.Name);
        foreach (string part in (string[])["", "_scale_inv"])
            checkpoint.Rename($"model.layers.0.experts.gate_up_proj{part}", $"model.layers.0.experts.down_proj{part}");
        TensorSource source = new(checkpoint, QuantFixtures.Parse(fixture.Config));
        Assert.Contains("proj_scale_inv", Assert.Throws<CheckpointException>(() => source.StackedMatrices("layers.0.experts.down_proj", fixture.Stacked, fixture.Rows, fixture.Columns)).Message, StringComparison.Ordinal);
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
