using System.Runtime.InteropServices;
using Lapidary.Checkpoints;
using Lapidary.Quantization;

namespace Lapidary.Tests.Quantization;

/// <summary>Matrices whose elements do not lie row by row. The tensor is [2, 3, 4] and holds 0, 1, 2 … 23.</summary>
public sealed class StridedMatrixTests
{
    private static StoredTensor Counting(float last = 23)
    {
        byte[] bytes = GC.AllocateArray<byte>(24 * sizeof(float), pinned: true);
        Span<float> values = MemoryMarshal.Cast<byte, float>(bytes.AsSpan());
        for (int i = 0; i < 24; i++) values[i] = i;
        values[23] = last;
        return new StoredTensor("t", DType.F32, [2, 3, 4], Marshal.UnsafeAddrOfPinnedArrayElement(bytes, 0), bytes);
    }

    private static float[][] Rows(StoredMatrix matrix) => [.. Enumerable.Range(0, matrix.Rows).Select(row =>
    {
        var values = new float[matrix.Columns];
        matrix.ReadRow(row, values);
        return values;
    })];

    [Fact]
    public void Rows_and_columns_step_through_the_tensor()
    {
        StridedMatrix matrix = new("m", Counting(), first: 13, rows: 3, columns: 2, rowStride: 4, columnStride: 2); // of the second [3, 4]
        Assert.Equal([[13, 15], [17, 19], [21, 23]], Rows(matrix));
        Assert.Equal([[13, 17, 21], [15, 19, 23]], Rows(matrix.Transpose()));
        Assert.Equal(24, matrix.ByteLength);
        Assert.Equal("F32", matrix.Format.Name);
    }

    [Fact]
    public void Slices_are_rows_with_a_name_that_says_which()
    {
        StoredMatrix slice = new StridedMatrix("m", Counting(), first: 1, rows: 3, columns: 2, rowStride: 4, columnStride: 2).SliceRows(1, 2);
        Assert.Equal([[5, 7], [9, 11]], Rows(slice));
        Assert.Equal("m[1:3]", slice.Name);
        Assert.Equal(16, slice.ByteLength);
    }

    /// <summary>One element past the last is refused, the last is not.</summary>
    [Theory]
    [InlineData(0, 3, 2, 8, 7, true)]
    [InlineData(1, 3, 2, 8, 7, false)]
    [InlineData(0, 4, 2, 8, 1, false)]
    [InlineData(0, 3, 3, 8, 4, false)]
    [InlineData(-1, 3, 2, 8, 7, false)]
    [InlineData(12, 3, 2, -4, 1, false)]
    [InlineData(12, 3, 2, 4, -1, false)]
    [InlineData(23, 1, 1, 100, 100, true)]
    public void Elements_outside_the_tensor_are_refused(long first, int rows, int columns, long rowStride, long columnStride, bool inside)
    {
        if (inside) Assert.Equal(23, Rows(new StridedMatrix("m", Counting(), first, rows, columns, rowStride, columnStride))[^1][^1]);
        else Assert.Throws<ArgumentOutOfRangeException>(() => new StridedMatrix("m", Counting(), first, rows, columns, rowStride, columnStride));
    }

    [Fact]
    public void A_row_of_another_length_is_refused()
        => Assert.Throws<ArgumentOutOfRangeException>(() => new StridedMatrix("m", Counting(), 0, 3, 2, 4, 2).ReadRow(0, new float[3]));

    [Fact]
    public void Every_element_of_the_tensor_is_looked_at()
    {
        new StridedMatrix("m", Counting(), 0, 3, 2, 4, 2).RequireFinite("here");
        Assert.Contains("element 23", Assert.Throws<CheckpointException>(() => new StridedMatrix("m", Counting(float.NaN), 0, 3, 2, 4, 2).RequireFinite("here")).Message, StringComparison.Ordinal);
    }
}
