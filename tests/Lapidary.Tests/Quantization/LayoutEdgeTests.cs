using System.Runtime.InteropServices;
using Lapidary.Checkpoints;
using Lapidary.Quantization;

namespace Lapidary.Tests.Quantization;

/// <summary>What published layouts leave open: parts that may be absent, shared or filled in with nothing.</summary>
public sealed class LayoutEdgeTests
{
    private const string Linear = "model.layers.0.self_attn.q_proj.";

    private static StoredMatrix Read(LooseTensors tensors, string config, int rows, int columns)
        => new TensorSource(tensors, QuantFixtures.Parse(config)).Matrix("layers.0.self_attn.q_proj", rows, columns);

    private static float[][] Rows(StoredMatrix matrix) => [.. Enumerable.Range(0, matrix.Rows).Select(row =>
    {
        var values = new float[matrix.Columns];
        matrix.ReadRow(row, values);
        return values;
    })];

    private static byte[] Bytes<T>(params ReadOnlySpan<T> values) where T : unmanaged => MemoryMarshal.AsBytes(values).ToArray();

    private static LooseTensors Fixture(string name, out QuantFixture fixture)
    {
        fixture = QuantFixtures.All[name];
        return new LooseTensors(name);
    }

    [Theory, InlineData("gptq4_sym_v1"), InlineData("gptq4_channel")]
    public void Gptq_needs_no_indices_without_act_order(string name)
    {
        using LooseTensors tensors = Fixture(name, out QuantFixture fixture);
        float[][] expected = Rows(LayoutTests.Read(tensors, fixture, fixture.Config)[0]);
        tensors.Remove(Linear + "g_idx");
        Assert.Equal(expected, Rows(LayoutTests.Read(tensors, fixture, fixture.Config)[0]));
    }

    /// <summary>With one group there is one order.</summary>
    [Fact]
    public void Gptq_needs_no_indices_with_one_group()
    {
        using LooseTensors tensors = Fixture("gptq4_channel", out QuantFixture fixture);
        tensors.Remove(Linear + "g_idx");
        StoredMatrix matrix = LayoutTests.Read(tensors, fixture, fixture.Config.Replace("\"desc_act\":false", "\"desc_act\":true", StringComparison.Ordinal))[0];
        Assert.False(matrix.Format.ActOrder);
    }

    [Fact]
    public void Indices_that_were_never_filled_in_mean_the_order_of_columns()
    {
        using LooseTensors tensors = Fixture("ct_int4_actorder_sym", out QuantFixture fixture);
        tensors.Edit(Linear + "weight_g_idx", bytes => bytes.AsSpan().Fill(255));
        StoredMatrix matrix = LayoutTests.Read(tensors, fixture, fixture.Config)[0];
        Assert.False(matrix.Format.ActOrder);
        Assert.True(((QuantizedMatrix)matrix).ColumnGroups.IsEmpty);
    }

    [Fact]
    public void A_zero_point_of_0_may_stand_beside_symmetric_weights()
    {
        using LooseTensors tensors = Fixture("ct_int4_sym", out QuantFixture fixture);
        float[][] expected = Rows(LayoutTests.Read(tensors, fixture, fixture.Config)[0]);
        tensors.Set(Linear + "weight_zero_point", DType.I8, [32, 2], new byte[64]);
        Assert.Equal(expected, Rows(LayoutTests.Read(tensors, fixture, fixture.Config)[0]));
    }

    /// <summary>int-quantized with act-order and zero points: no quantiser is known to write it, the format allows it.</summary>
    [Fact]
    public void Whole_integers_may_have_act_order_and_zero_points()
    {
        const string Config = "{\"quant_method\":\"compressed-tensors\",\"format\":\"int-quantized\",\"config_groups\":{\"g\":{\"targets\":[\"Linear\"],\"weights\":{\"group_size\":2,\"symmetric\":false,\"actorder\":\"group\"}}}}";
        using LooseTensors tensors = new("none");
        tensors.Set(Linear + "weight", DType.I8, [2, 4], Bytes<sbyte>(1, -2, 3, -128, 5, 6, 127, 8));
        tensors.Set(Linear + "weight_scale", DType.F32, [2, 2], Bytes<float>(1, 10, 0.5f, 100));
        tensors.Set(Linear + "weight_zero_point", DType.I8, [2, 2], Bytes<sbyte>(1, -1, 0, 2));
        tensors.Set(Linear + "weight_g_idx", DType.I64, [4], Bytes<long>(1, 0, 0, 1));
        StoredMatrix matrix = Read(tensors, Config, 2, 4);
        Assert.Equal([[20, -3, 2, -1270], [300, 3, 63.5f, 600]], Rows(matrix));
        Assert.Equal("uint8 g2 with zero points act-order", matrix.Format.Name);
        tensors.Set(Linear + "weight_g_idx", DType.I64, [4], Bytes<long>(0, 0, 1, 1));
        Assert.False(Read(tensors, Config, 2, 4).Format.ActOrder);
    }

    [Fact]
    public void Zero_points_of_blocks_are_refused()
    {
        const string Config = "{\"quant_method\":\"compressed-tensors\",\"format\":\"int-quantized\",\"config_groups\":{\"g\":{\"targets\":[\"Linear\"],\"weights\":{\"strategy\":\"block\",\"block_structure\":[2,2],\"symmetric\":false}}}}";
        using LooseTensors tensors = new("none");
        tensors.Set(Linear + "weight", DType.I8, [2, 4], new byte[8]);
        tensors.Set(Linear + "weight_scale", DType.F32, [1, 2], Bytes<float>(1, 1));
        tensors.Set(Linear + "weight_zero_point", DType.I8, [1, 2], new byte[2]);
        Assert.Contains("zero points of blocks, which are not supported", Assert.Throws<CheckpointException>(() => Read(tensors, Config, 2, 4)).Message, StringComparison.Ordinal);
    }

    /// <summary>fp8 without blocks: one scale is the tensor's, several are the channels'.</summary>
    [Theory, InlineData("weight_scale"), InlineData("weight_scale_inv")]
    public void Fp8_scales_are_of_the_tensor_or_of_channels(string part)
    {
        using LooseTensors tensors = new("none");
        tensors.Set(Linear + "weight", DType.F8_E4M3, [2, 2], [0x38, 0xb8, 0x40, 0x30]); // 1, -1, 2, 0.5
        tensors.Set(Linear + part, DType.F32, [1], Bytes<float>(3));
        Assert.Equal([[3, -3], [6, 1.5f]], Rows(Read(tensors, "{\"quant_method\":\"fp8\"}", 2, 2)));
        tensors.Set(Linear + part, DType.F32, [2, 1], Bytes<float>(3, 10));
        Assert.Equal([[3, -3], [20, 5]], Rows(Read(tensors, "{\"quant_method\":\"fp8\"}", 2, 2)));
    }

    /// <summary>NVFP4's second scale belongs to all experts, or to each.</summary>
    [Fact]
    public void A_number_may_be_shared_by_all_stacked_matrices()
    {
        using LooseTensors tensors = Fixture("stacked_fp8_tensor", out QuantFixture fixture);
        tensors.Set("model.layers.0.experts.gate_up_proj_scale_inv", DType.F32, [1], Bytes<float>(1));
        StoredMatrix[] ones = LayoutTests.Read(tensors, fixture, fixture.Config);
        tensors.Set("model.layers.0.experts.gate_up_proj_scale_inv", DType.F32, [], Bytes<float>(2));
        StoredMatrix[] twos = LayoutTests.Read(tensors, fixture, fixture.Config);
        for (int e = 0; e < ones.Length; e++) Assert.Equal(Rows(ones[e]).Select(row => row.Select(v => 2 * v)), Rows(twos[e]));
        Assert.Equal(["model.layers.0.experts.gate_up_proj[0]", "model.layers.0.experts.gate_up_proj[1]", "model.layers.0.experts.gate_up_proj[2]"], ones.Select(m => m.Name));
    }

    /// <summary>Layouts that are published for linear layers, stacked along a new first axis as one parameter, under either spelling.</summary>
    [Theory]
    [InlineData("gptq4_sym_v1_act", "."), InlineData("gptq4_sym_v1_act", "_"), InlineData("gptq3_asym_v2", "_")]
    [InlineData("awq_g32", "."), InlineData("awq_g32", "_"), InlineData("awq_gemv", "_")]
    [InlineData("ct_int4_actorder_asym", "."), InlineData("ct_w8a8_asym", "_"), InlineData("ct_mxfp8", "_"), InlineData("ct_mxfp4", ".")]
    [InlineData("modelopt_fp8", "_"), InlineData("modelopt_nvfp4", ".")]
    public void Any_layout_may_be_stacked(string name, string separator)
    {
        using LooseTensors tensors = Fixture(name, out QuantFixture fixture);
        float[][] expected = Rows(LayoutTests.Read(tensors, fixture, fixture.Config)[0]);
        foreach (string part in tensors.Names.Where(n => n.StartsWith(Linear, StringComparison.Ordinal)).ToArray())
        {
            StoredTensor tensor = tensors.Find(part)!;
            byte[] bytes = tensor.Bytes(0, (int)tensor.ByteLength).ToArray();
            tensors.Set($"model.layers.0.experts.gate_up_proj{separator}{part[Linear.Length..]}", tensor.DType, [2, .. tensor.Shape], [.. bytes, .. bytes]);
        }
        TensorSource source = new(tensors, QuantFixtures.Parse(fixture.Config));
        StoredMatrix[] matrices = source.StackedMatrices("layers.0.experts.gate_up_proj", 2, fixture.Rows, fixture.Columns);
        Assert.All(matrices, matrix => Assert.Equal(expected, Rows(matrix)));
        Assert.DoesNotContain(source.Unused(), unused => unused.Contains("experts", StringComparison.Ordinal));
    }

    [Fact]
    public void Rows_that_are_not_there_are_refused_and_slices_say_which_they_are()
    {
        using LooseTensors tensors = Fixture("ct_int4_sym", out QuantFixture fixture);
        QuantizedMatrix matrix = (QuantizedMatrix)LayoutTests.Read(tensors, fixture, fixture.Config)[0];
        QuantizedMatrix slice = (QuantizedMatrix)matrix.SliceRows(8, 4);
        Assert.Equal("model.layers.0.self_attn.q_proj[8:12]", slice.Name);
        Assert.Equal(32 * 64 / 2 + 2 * 2 * 32, matrix.ByteLength); // codes of 4 bits, scales of 16
        Assert.Equal(matrix.ByteLength / 8, slice.ByteLength);
        foreach (int row in (int[])[-1, 4])
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => slice.ReadRow(row, new float[64]));
            Assert.Throws<ArgumentOutOfRangeException>(() => slice.ReadCodes(row, new byte[64]));
            Assert.Throws<ArgumentOutOfRangeException>(() => slice.ReadScales(row, new float[2], new float[2]));
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.SliceRows(-1, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.SliceRows(1, -1));
        float[] scales = new float[2], offsets = [7, 7];
        matrix.ReadScales(0, scales, offsets);
        Assert.Equal([0, 0], offsets);
    }

    [Fact]
    public void Formats_know_their_bits()
    {
        Assert.Equal(16, WeightFormat.OfDense(DType.BF16).Bits);
        Assert.Equal(32, WeightFormat.OfDense(DType.F32).Bits);
        Assert.Equal(3, WeightFormat.OfCodes(CodeType.UInt(3), 32).Bits);
        Assert.False(WeightFormat.OfDense(DType.F32).HasOffsets || WeightFormat.OfDense(DType.F32).ActOrder);
    }

    [Fact]
    public void A_dense_matrix_reads_its_rows_where_they_lie()
    {
        using LooseTensors tensors = new("none");
        tensors.Set("m", DType.F32, [3, 2], Bytes<float>(1, 2, 3, 4, 5, 6));
        DenseMatrix matrix = new(tensors.Find("m")!);
        Assert.Equal([[1, 2], [3, 4], [5, 6]], Rows(matrix));
        Assert.Equal([[5, 6]], Rows(matrix.SliceRows(2, 1)));
    }

    /// <summary>Long rows take memory from elsewhere than short ones and read the same.</summary>
    [Theory, InlineData(4096, 4), InlineData(4100, 4), InlineData(16384, 4), InlineData(16388, 4)]
    public void Rows_of_any_length_read_alike(int columns, int groupSize)
    {
        string config = $"{{\"quant_method\":\"compressed-tensors\",\"format\":\"int-quantized\",\"config_groups\":{{\"g\":{{\"targets\":[\"Linear\"],\"weights\":{{\"group_size\":{groupSize},\"symmetric\":false}}}}}}}}";
        int groups = columns / groupSize;
        using LooseTensors tensors = new("none");
        tensors.Set(Linear + "weight", DType.I8, [1, columns], [.. Enumerable.Range(0, columns).Select(i => (byte)i)]);
        tensors.Set(Linear + "weight_scale", DType.F32, [1, groups], Bytes<float>([.. Enumerable.Range(0, groups).Select(g => (float)(g % 5 + 1))]));
        tensors.Set(Linear + "weight_zero_point", DType.I8, [1, groups], [.. Enumerable.Range(0, groups).Select(g => (byte)(g % 3))]);
        Assert.Equal(
            Enumerable.Range(0, columns).Select(i => (float)(((sbyte)i - i / groupSize % 3) * (i / groupSize % 5 + 1))), Rows(Read(tensors, config, 1, columns))[0]);
    }
}
