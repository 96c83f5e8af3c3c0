using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Lapidary.Checkpoints;
using Lapidary.Quantization;

namespace Lapidary.Tests.Quantization;

/// <summary>Every published layout reads as the numbers that a from-scratch torch script packed into it, bit for bit.</summary>
public sealed class LayoutTests
{
    public static TheoryData<string> Cases => [.. QuantFixtures.All.Keys];

    [Theory, MemberData(nameof(Cases))]
    public void A_layout_reads_as_the_numbers_packed_into_it(string name)
    {
        QuantFixture fixture = QuantFixtures.All[name];
        using LooseTensors checkpoint = new(name);
        float[] values = Values(Read(checkpoint, fixture, fixture.Config));
        Assert.Equal(fixture.FirstRow, values[..fixture.Columns]);
        Assert.Equal(fixture.Sha256, Hash(values));
    }

    /// <summary>Every tensor is used: nothing of a layout is read by chance alone.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void Every_tensor_is_accounted_for_and_a_strange_one_is_not(string name)
    {
        QuantFixture fixture = QuantFixtures.All[name];
        using LooseTensors checkpoint = new(name);
        checkpoint.Set($"model.{fixture.ShortName}.strange", DType.U8, [1], new byte[1]);
        TensorSource source = new(checkpoint, QuantFixtures.Parse(fixture.Config));
        Read(source, fixture);
        source.Require("embed_tokens.weight", 1, 1);
        Assert.Equal([$"model.{fixture.ShortName}.strange"], source.Unused());
    }

    /// <summary>What kernels get, codes and scales and offsets, means the same as the row.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void Codes_scales_and_offsets_say_the_same_as_rows(string name)
    {
        QuantFixture fixture = QuantFixtures.All[name];
        using LooseTensors checkpoint = new(name);
        foreach (StoredMatrix matrix in Read(checkpoint, fixture, fixture.Config))
        {
            QuantizedMatrix quantized = Assert.IsAssignableFrom<QuantizedMatrix>(matrix);
            float[] row = new float[matrix.Columns], scales = new float[quantized.Groups], offsets = new float[quantized.Groups];
            byte[] codes = new byte[matrix.Columns];
            for (int r = 0; r < matrix.Rows; r++)
            {
                matrix.ReadRow(r, row);
                quantized.ReadCodes(r, codes);
                quantized.ReadScales(r, scales, offsets);
                Assert.True(matrix.Format.HasOffsets || offsets.All(offset => offset == 0));
                Assert.Equal(matrix.Format.ActOrder, quantized.ColumnGroups.Length > 0);
                for (int i = 0; i < row.Length; i++)
                {
                    int group = matrix.Format.ActOrder ? quantized.ColumnGroups[i] : i / quantized.GroupSize;
                    float value = quantized.Code.Values[codes[i]] * scales[group] + offsets[group];
                    Assert.Equal(row[i], value, 1e-6f * Math.Max(Math.Abs(offsets[group]), 256 * Math.Abs(scales[group])));
                }
            }
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void Slices_are_rows_of_the_whole(string name)
    {
        QuantFixture fixture = QuantFixtures.All[name];
        using LooseTensors checkpoint = new(name);
        StoredMatrix whole = Read(checkpoint, fixture, fixture.Config)[^1];
        StoredMatrix part = whole.SliceRows(5, 20).SliceRows(4, 9);
        float[] expected = new float[whole.Columns], actual = new float[whole.Columns];
        for (int r = 0; r < 9; r++)
        {
            whole.ReadRow(9 + r, expected);
            part.ReadRow(r, actual);
            Assert.Equal(expected, actual);
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => part.ReadRow(9, actual));
        Assert.Throws<ArgumentOutOfRangeException>(() => whole.SliceRows(20, 20));
    }

    /// <summary>gpt-oss names blocks after the parameter, other scripts after the module's weight.</summary>
    [Theory]
    [InlineData("mxfp4_blocks", ".weight_blocks", "_blocks", ".weight_scales", "_scales")]
    [InlineData("stacked_mxfp4_blocks", "_blocks", ".weight_blocks", "_scales", ".weight_scales")]
    [InlineData("stacked_ct_nvfp4", "_packed", "_weight_packed", "_scale", "_weight_scale")]
    public void Parts_may_be_named_after_the_module_or_its_weight(string name, string codes, string otherCodes, string scales, string otherScales)
    {
        QuantFixture fixture = QuantFixtures.All[name];
        using LooseTensors checkpoint = new(name);
        string module = $"model.{fixture.ShortName}";
        checkpoint.Rename(module + codes, module + otherCodes);
        checkpoint.Rename(module + scales, module + otherScales);
        Assert.Equal(fixture.Sha256, Hash(Values(Read(checkpoint, fixture, fixture.Config))));
    }

    /// <summary>Negative controls: a wrong convention gives other numbers or is refused.</summary>
    [Theory]
    [InlineData("gptq4_asym_v1", "\"gptq\",", "\"gptq_v2\",")]
    [InlineData("gptq4_asym_v2", "\"gptq_v2\"", "\"gptq\"")]
    [InlineData("awq_g32", "\"gemm\"", "\"gemv\"")]
    [InlineData("gptq8_gptqmodel_zero_of_0", "gptqmodel:", "autogptq:")]
    [InlineData("ct_int4_asym", "\"symmetric\":false", "\"symmetric\":true")]
    [InlineData("ct_int8_sym", "\"num_bits\":8", "\"num_bits\":4")]
    [InlineData("fp8_block", "[24,40]", "[40,24]")]
    public void A_wrong_convention_is_noticed(string name, string from, string to)
    {
        QuantFixture fixture = QuantFixtures.All[name];
        string config = fixture.Config.Replace(from, to, StringComparison.Ordinal);
        if (from != "\"gptq\",") Assert.NotEqual(fixture.Config, config);
        else config = fixture.Config.Replace("\"checkpoint_format\":\"gptq\"", "\"checkpoint_format\":\"gptq_v2\"", StringComparison.Ordinal);
        using LooseTensors checkpoint = new(name);
        string? hash;
        try
        {
            hash = Hash(Values(Read(checkpoint, fixture, config)));
        }
        catch (CheckpointException)
        {
            hash = null;
        }
        Assert.NotEqual(fixture.Sha256, hash);
    }

    internal static StoredMatrix[] Read(ICheckpoint checkpoint, QuantFixture fixture, string config)
        => Read(new TensorSource(checkpoint, QuantFixtures.Parse(config)), fixture);

    private static StoredMatrix[] Read(TensorSource source, QuantFixture fixture) => fixture.Stacked > 0
        ? source.StackedMatrices(fixture.ShortName, fixture.Stacked, fixture.Rows, fixture.Columns)
        : [source.Matrix(fixture.ShortName, fixture.Rows, fixture.Columns)];

    private static float[] Values(StoredMatrix[] matrices)
    {
        List<float> values = [];
        foreach (StoredMatrix matrix in matrices)
        {
            float[] row = new float[matrix.Columns];
            for (int r = 0; r < matrix.Rows; r++)
            {
                matrix.ReadRow(r, row);
                values.AddRange(row.Select(value => value + 0f)); // no negative zeros, as in the script
            }
        }
        return [.. values];
    }

    private static string Hash(float[] values) => Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(values.AsSpan())));
}
