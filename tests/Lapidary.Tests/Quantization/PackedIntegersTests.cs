using System.Runtime.InteropServices;
using Lapidary.Checkpoints;
using Lapidary.Quantization;

namespace Lapidary.Tests.Quantization;

/// <summary>Grids of packed integers, put together bit by bit here, and the ends beyond which nothing may be read.</summary>
public sealed class PackedIntegersTests
{
    public static TheoryData<int> Widths => [1, 2, 3, 4, 5, 6, 7, 8];

    private static StoredTensor Words(uint[] words, long rows, long columns)
    {
        byte[] bytes = GC.AllocateArray<byte>(words.Length * sizeof(uint), pinned: true);
        MemoryMarshal.AsBytes(words.AsSpan()).CopyTo(bytes);
        return new StoredTensor("w", DType.I32, [rows, columns], Marshal.UnsafeAddrOfPinnedArrayElement(bytes, 0), bytes);
    }

    /// <summary>Number n of a line of bits.</summary>
    private static int Number(int line, int n, int bits) => (7 * line + 11 * n + 5) & ((1 << bits) - 1);

    /// <summary>The words of one line of numbers, lowest bits first.</summary>
    private static uint[] Pack(int line, int count, int bits)
    {
        var words = new uint[(count * bits + 31) / 32];
        for (int n = 0; n < count; n++)
            for (int bit = 0; bit < bits; bit++)
                if ((Number(line, n, bits) >> bit & 1) == 1) words[(n * bits + bit) / 32] |= 1u << ((n * bits + bit) % 32);
        return words;
    }

    private static byte[] Row(PackedIntegers grid, int row, int count)
    {
        var values = new byte[count];
        grid.ReadRow(row, values);
        return values;
    }

    [Theory, MemberData(nameof(Widths))]
    public void Lines_along_a_row(int bits)
    {
        uint[][] lines = [Pack(0, 37, bits), Pack(1, 37, bits), Pack(2, 37, bits)];
        RowPacked grid = new(Words([.. lines.SelectMany(line => line)], 3, lines[0].Length), bits);
        for (int row = 0; row < 3; row++) Assert.Equal(Enumerable.Range(0, 37).Select(n => (byte)Number(row, n, bits)), Row(grid, row, 37));
        Assert.Equal(Row(grid, 2, 37), Row(grid.From(1).From(1), 0, 37));
        Assert.ThrowsAny<ArgumentException>(() => Row(grid, 3, 37));
    }

    /// <summary>GPTQ's codes: word w of every row side by side.</summary>
    [Theory, MemberData(nameof(Widths))]
    public void Lines_along_a_column(int bits)
    {
        uint[][] lines = [Pack(0, 37, bits), Pack(1, 37, bits), Pack(2, 37, bits)];
        uint[] words = [.. Enumerable.Range(0, lines[0].Length).SelectMany(w => lines.Select(line => line[w]))];
        ColumnWords grid = new(Words(words, lines[0].Length, 3), bits);
        for (int row = 0; row < 3; row++) Assert.Equal(Enumerable.Range(0, 37).Select(n => (byte)Number(row, n, bits)), Row(grid, row, 37));
        Assert.Equal(Row(grid, 2, 37), Row(grid.From(1).From(1), 0, 37));
        Assert.ThrowsAny<ArgumentException>(() => Row(grid, 3, 37));
        Assert.ThrowsAny<ArgumentException>(() => Row(grid.From(2), 1, 37));
    }

    /// <summary>Zero points: numbers of a column of the grid packed along rows of words, or along columns of words.</summary>
    [Theory, MemberData(nameof(Widths))]
    public void Lines_across_rows(int bits)
    {
        uint[][] lines = [Pack(0, 37, bits), Pack(1, 37, bits), Pack(2, 37, bits)];
        int length = lines[0].Length;
        RowWords along = new(Words([.. lines.SelectMany(line => line)], 3, length), bits, axis: 1, []);
        RowWords across = new(Words([.. Enumerable.Range(0, length).SelectMany(w => lines.Select(line => line[w]))], length, 3), bits, axis: 0, []);
        for (int row = 0; row < 37; row++)
        {
            Assert.Equal([(byte)Number(0, row, bits), (byte)Number(1, row, bits), (byte)Number(2, row, bits)], Row(along, row, 3));
            Assert.Equal(Row(along, row, 3), Row(across, row, 3));
            Assert.Equal(Row(along, row, 3), Row(across.From(row / 2), row - row / 2, 3));
        }
        int last = 32 * length / bits - 1;
        Row(along, last, 3);
        Row(across, last, 3);
        Assert.ThrowsAny<ArgumentException>(() => Row(along, last, 4));
        Assert.ThrowsAny<ArgumentException>(() => Row(across, last, 4));
        Assert.ThrowsAny<ArgumentException>(() => Row(along, last + 1, 3));
        Assert.ThrowsAny<ArgumentException>(() => Row(across, last + 1, 3));
    }

    [Fact]
    public void Numbers_may_have_places_of_their_own_in_a_word()
    {
        RowWords grid = new(Words([0x76543210, 0xfedcba98], 1, 2), 4, axis: 1, [0, 4, 1, 5, 2, 6, 3, 7]);
        Assert.Equal([0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15], Enumerable.Range(0, 16).Select(row => (int)Row(grid, row, 1)[0]));
    }

    [Fact]
    public void An_addend_carries_from_field_to_field()
    {
        RowWords grid = new(Words([0x0000_0f0f], 1, 1), 4, axis: 1, [], addend: 0x1111_1111);
        Assert.Equal([0, 2, 0, 2, 1, 1, 1, 1], Enumerable.Range(0, 8).Select(row => (int)Row(grid, row, 1)[0]));
    }
}
