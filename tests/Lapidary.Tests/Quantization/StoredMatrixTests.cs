using Lapidary.Quantization;

namespace Lapidary.Tests.Quantization;

/// <summary>Codes, scales and offsets become values, with and without act-order.</summary>
public sealed class StoredMatrixTests
{
    /// <summary>Codes 0, 1, 2 …; scale g + 1, offset -g.</summary>
    private sealed class Counting(int columns, WeightFormat format, int[] groups) : QuantizedMatrix("counting", 1, columns, format)
    {
        public override long ByteLength => 0;
        public override ReadOnlySpan<int> ColumnGroups => groups;

        public override void ReadCodes(int row, Span<byte> codes)
        {
            for (int i = 0; i < codes.Length; i++) codes[i] = (byte)i;
        }

        public override void ReadScales(int row, Span<float> scales, Span<float> offsets)
        {
            for (int g = 0; g < scales.Length; g++) (scales[g], offsets[g]) = (g + 1, -g);
        }

        public override StoredMatrix SliceRows(int first, int count) => this;
    }

    private static float[] Row(StoredMatrix matrix)
    {
        var values = new float[matrix.Columns];
        matrix.ReadRow(0, values);
        return values;
    }

    [Fact]
    public void Each_group_has_its_scale_and_offset_and_the_last_may_be_short()
        => Assert.Equal([0, 1, 3, 5, 10], Row(new Counting(5, WeightFormat.OfCodes(CodeType.UInt(4), 2, hasOffsets: true), [])));

    [Fact]
    public void Act_order_looks_the_group_up()
        => Assert.Equal([-1, 1, 3, 3], Row(new Counting(4, WeightFormat.OfCodes(CodeType.UInt(4), 2, hasOffsets: true, actOrder: true), [1, 0, 1, 0])));

    [Fact]
    public void Without_groups_a_row_has_one_scale()
        => Assert.Equal([0, 1, 2], Row(new Counting(3, WeightFormat.OfCodes(CodeType.UInt(4), 0), [])));

    [Fact]
    public void Names_say_what_a_format_is()
    {
        Assert.Equal("int4 g32", WeightFormat.OfCodes(CodeType.Int(4), 32).ToString());
        Assert.Equal("uint4 g128 with zero points act-order", WeightFormat.OfCodes(CodeType.UInt(4), 128, true, true).ToString());
        Assert.Equal("e4m3 per channel", WeightFormat.OfCodes(CodeType.E4M3, 0).ToString());
        Assert.Equal("BF16", WeightFormat.OfDense(DType.BF16).ToString());
    }
}
