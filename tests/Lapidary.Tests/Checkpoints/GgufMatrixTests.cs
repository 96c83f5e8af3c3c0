using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using Lapidary.Checkpoints.Gguf;
using Lapidary.Cpu.Assembly;
using Lapidary.Quantization;

namespace Lapidary.Tests.Checkpoints;

/// <summary>Blocks of every type give the numbers that ggml's own code gives for them.</summary>
public sealed class GgufMatrixTests
{
    private static readonly Dictionary<string, (byte[] Blocks, float[] Values)> Fixtures = Load();

    public static TheoryData<string> Types => [.. Fixtures.Keys];

    private static Dictionary<string, (byte[], float[])> Load()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(Path.Combine(Goldens.Repository, "tests/fixtures/ggml/blocks.json")));
        return document.RootElement.EnumerateObject().ToDictionary(type => type.Name, type => (
            type.Value.GetProperty("blocks").GetBytesFromBase64(),
            MemoryMarshal.Cast<byte, float>(type.Value.GetProperty("values").GetBytesFromBase64()).ToArray()));
    }

    /// <summary>A file with one tensor of 512 elements in rows of that many.</summary>
    private static GgufFile Open(CheckpointFolder folder, string type, byte[] blocks, int columns)
    {
        using MemoryStream bytes = new();
        using BinaryWriter writer = new(bytes);
        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write(1UL);
        writer.Write(0UL);
        writer.Write(1UL);
        writer.Write((byte)'w');
        writer.Write(2u);
        writer.Write((ulong)columns);
        writer.Write((ulong)(blocks.Length / GgufType.All.Single(t => t.Name == type).Bytes(columns)));
        writer.Write(GgufType.All.Single(t => t.Name == type).Id);
        writer.Write(0UL);
        while (bytes.Length % 32 != 0) writer.Write((byte)0);
        writer.Write(blocks);
        writer.Flush();
        return GgufFile.Open(folder.Write("model.gguf", bytes.ToArray()));
    }

    private static float[] Values(StoredMatrix matrix)
    {
        float[] values = new float[matrix.Rows * matrix.Columns];
        for (int row = 0; row < matrix.Rows; row++) matrix.ReadRow(row, values.AsSpan(row * matrix.Columns, matrix.Columns));
        return values;
    }

    [Theory, MemberData(nameof(Types))]
    public void Values_are_those_of_ggml(string type)
    {
        (byte[] blocks, float[] expected) = Fixtures[type];
        using CheckpointFolder folder = new();
        using GgufFile file = Open(folder, type, blocks, columns: 256);
        StoredMatrix matrix = file.Matrix(file.Tensors.Single());
        Assert.Equal((2, 256), (matrix.Rows, matrix.Columns));
        // ggml subtracts a zero point before it multiplies, or rounds scale and minimum in another order: half an ulp of the parts.
        float[] actual = Values(matrix);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 2e-6f * (1 + MathF.Abs(expected[i])));
        Assert.Equal(actual[256..], Values(matrix.SliceRows(1, 1)));
    }

    [Theory, MemberData(nameof(Types))]
    public void A_flipped_bit_of_a_code_is_noticed(string type)
    {
        (byte[] blocks, float[] expected) = Fixtures[type];
        byte[] changed = [.. blocks];
        changed[20] ^= 0x11;
        using CheckpointFolder folder = new();
        using GgufFile file = Open(folder, type, changed, columns: 256);
        Assert.NotEqual(expected.Select(v => MathF.Round(v, 3)), Values(file.Matrix(file.Tensors.Single())).Select(v => MathF.Round(v, 3)));
    }

    /// <summary>Where blocks have the upper bytes of their float16 numbers.</summary>
    public static TheoryData<string, int[]> PackedTypes => new()
    {
        { "Q4_0", [1] }, { "Q4_1", [1, 3] }, { "Q5_0", [1] }, { "Q5_1", [1, 3] }, { "Q8_0", [1] },
        { "Q2_K", [81, 83] }, { "Q3_K", [109] }, { "Q4_K", [1, 3] }, { "Q5_K", [1, 3] }, { "Q6_K", [209] },
    };

    [Theory, MemberData(nameof(PackedTypes))]
    public void Panels_from_blocks_are_those_from_rows(string type, int[] exponents)
    {
        const int Rows = 160, Columns = 512; // several panels a copy, several blocks a row
        GgufType stored = GgufType.All.Single(t => t.Name == type);
        byte[] blocks = new byte[Rows * stored.Bytes(Columns)];
        new Random(3).NextBytes(blocks);
        for (int block = 0; block < blocks.Length; block += stored.BlockBytes)
            foreach (int at in exponents) blocks[block + at] &= 0x7b; // finite
        using CheckpointFolder folder = new();
        using GgufFile file = Open(folder, type, blocks, Columns);
        QuantizedMatrix matrix = (QuantizedMatrix)file.Matrix(file.Tensors.Single());
        using IntegerPanels expected = IntegerPanels.Pack(new RowByRow(matrix)), actual = IntegerPanels.Pack(matrix);
        Assert.Equal(Bytes(expected), Bytes(actual));

        static unsafe byte[] Bytes(IntegerPanels panels) => new Span<byte>(panels.Panel(0), (int)panels.ByteLength).ToArray();
    }

    [Theory]
    [InlineData("Q4_0")]
    [InlineData("Q4_1")]
    [InlineData("Q5_1")]
    [InlineData("Q8_0")]
    [InlineData("Q4_K")]
    [InlineData("Q6_K")]
    public void Panels_hold_what_rows_hold(string type)
    {
        using CheckpointFolder folder = new();
        byte[] row = Fixtures[type].Blocks;
        int half = row.Length / 2;
        byte[] blocks = [.. Enumerable.Range(0, 37).SelectMany(r => r % 3 == 0 ? row[..half] : row[half..])]; // two whole panels and a part
        using GgufFile file = Open(folder, type, blocks, columns: 256);
        QuantizedMatrix matrix = (QuantizedMatrix)file.Matrix(file.Tensors.Single());
        using IntegerPanels panels = IntegerPanels.Pack(matrix);
        float[] actual = new float[256], expected = new float[256];
        for (int r = 0; r < 37; r++)
        {
            matrix.ReadRow(r, expected);
            PanelRow.Copy(panels, r, 1, actual);
            Assert.Equal(expected, actual);
        }
        matrix.ReadRow(35, expected); // another row
        Assert.NotEqual(expected, actual);
    }

    [Theory]
    [InlineData("Q4_0", 0)]
    [InlineData("Q4_1", 2)]
    [InlineData("Q8_0", 0)]
    [InlineData("Q4_K", 0)]
    [InlineData("Q4_K", 2)]
    [InlineData("Q6_K", 208)]
    public void A_scale_that_is_no_number_is_refused_wherever_it_is(string type, int at)
    {
        using CheckpointFolder folder = new();
        byte[] row = [.. Fixtures[type].Blocks], blocks = [.. Enumerable.Range(0, 20).SelectMany(_ => row)]; // 512 columns
        int blockBytes;
        using (GgufFile file = Open(folder, type, blocks, columns: 512)) blockBytes = file.Tensors.Single().Type.BlockBytes;
        foreach (int bad in (int[])[0, 15, 16, 19])
            foreach (int block in (int[])[0, 1, row.Length / blockBytes - 1])
            {
                byte[] changed = [.. blocks];
                int place = bad * row.Length + block * blockBytes + at;
                (changed[place], changed[place + 1]) = (0, 0x7e);
                using GgufFile file = Open(folder, type, changed, columns: 512);
                string message = Assert.Throws<BackendException>(() => IntegerPanels.Pack((QuantizedMatrix)file.Matrix(file.Tensors.Single()))).Message;
                Assert.Contains($"a scale of row {bad} is no finite number", message, StringComparison.Ordinal);
            }
    }

    [Fact]
    public void Mxfp4_is_a_table_times_a_power_of_two()
    {
        byte[] blocks = new byte[16 * 17];
        for (int b = 0; b < 16; b++)
        {
            blocks[17 * b] = (byte)(120 + b);
            for (int i = 1; i < 17; i++) blocks[17 * b + i] = 0x2f; // low: -6, high: 1
        }
        using CheckpointFolder folder = new();
        using GgufFile file = Open(folder, "MXFP4", blocks, columns: 512);
        float[] values = Values(file.Matrix(file.Tensors.Single()));
        for (int i = 0; i < 512; i++) Assert.Equal((i % 32 < 16 ? -6 : 1) * MathF.Pow(2, 120 + i / 32 - 127), values[i]);
    }

    [Fact]
    public void A_type_that_is_not_read_is_refused_by_name()
    {
        using CheckpointFolder folder = new();
        using GgufFile file = Open(folder, "IQ4_XS", new byte[2 * 136], columns: 256);
        Assert.Contains("IQ4_XS", Assert.Throws<CheckpointException>(() => file.Matrix(file.Tensors.Single())).Message);
    }

    [Fact]
    public void Plain_elements_are_read_where_they_lie()
    {
        byte[] elements = new byte[2048];
        for (int i = 0; i < 512; i++) BinaryPrimitives.WriteSingleLittleEndian(elements.AsSpan(4 * i), i);
        using CheckpointFolder folder = new();
        using GgufFile file = Open(folder, "F32", elements, columns: 128);
        Assert.Equal(Enumerable.Range(0, 512).Select(i => (float)i), Values(file.Matrix(file.Tensors.Single())));
    }
}
