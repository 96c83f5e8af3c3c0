using Lapidary.Cpu.Gemm;
using Lapidary.Quantization;

namespace Lapidary.Tests.Gemm;

/// <summary>Packed quantised matrices against a float64 product with the stored matrix's own rows.</summary>
public sealed unsafe class PanelMatrixTests
{
    /// <summary>Every code type; group sizes that divide the width, that do not, that are below a vector; offsets; act-order.</summary>
    private static readonly WeightFormat[] Formats =
    [
        .. CodeType.All.Select((code, i) => WeightFormat.OfCodes(code, groupSize: (int[])[0, 32, 16, 20] is var sizes ? sizes[i % 4] : 0, hasOffsets: i % 3 == 0)),
        WeightFormat.OfCodes(CodeType.Int(4), 32, actOrder: true),
        WeightFormat.OfCodes(CodeType.UInt(4), 32, hasOffsets: true, actOrder: true),
        WeightFormat.OfCodes(CodeType.UInt(3), 7, hasOffsets: true, actOrder: true),
    ];

    public static TheoryData<string> Names() => [.. Formats.Select(f => f.Name)];

    private static WeightMatrix[] Widths(StoredMatrix matrix) => [WeightMatrix.Load<V4>(matrix), WeightMatrix.Load<V8>(matrix), WeightMatrix.Load<V16>(matrix)];

    private static float[] Inputs(int tokens, int columns)
    {
        Random random = new(7);
        return [.. Enumerable.Range(0, tokens * columns).Select(_ => random.NextSingle() - 0.5f)];
    }

    /// <summary>[tokens, rows] with -1 where nothing is written.</summary>
    private static float[] Multiply(WeightMatrix weights, float[] x, int from, int to)
    {
        int tokens = x.Length / weights.Columns;
        var y = new float[tokens * weights.Rows];
        Array.Fill(y, -1);
        fixed (float* input = x)
        fixed (float* output = y)
            weights.Multiply(from, to, input, weights.Columns, tokens, output, weights.Rows);
        return y;
    }

    private static double[] Product(StoredMatrix matrix, float[] x)
    {
        int tokens = x.Length / matrix.Columns;
        var y = new double[tokens * matrix.Rows];
        var row = new float[matrix.Columns];
        for (int r = 0; r < matrix.Rows; r++)
        {
            matrix.ReadRow(r, row);
            for (int t = 0; t < tokens; t++)
                for (int c = 0; c < row.Length; c++) y[t * matrix.Rows + r] += (double)row[c] * x[t * row.Length + c];
        }
        return y;
    }

    private static double RelativeError(double[] expected, float[] actual)
        => Math.Sqrt(expected.Zip(actual, (e, a) => (e - a) * (e - a)).Sum() / expected.Sum(e => e * e));

    [Theory, MemberData(nameof(Names))]
    public void Every_width_multiplies_the_values_of_the_format(string name)
    {
        WeightFormat format = Formats.First(f => f.Name == name);
        foreach ((int rows, int columns) in ((int, int)[])[(66, 64), (5, 88), (130, 1), (1, 67)])
        {
            RandomCodes matrix = new(rows, columns, format);
            float[] x = Inputs(tokens: 7, columns);
            double[] expected = Product(matrix, x);
            foreach (WeightMatrix weights in Widths(matrix))
                using (weights) Assert.InRange(RelativeError(expected, Multiply(weights, x, 0, rows)), 0, 1e-6);
        }
    }

    [Theory, InlineData(0.4), InlineData(1e-3)]
    public void A_wrong_scale_is_noticed(double change)
    {
        RandomCodes matrix = new(20, 64, WeightFormat.OfCodes(CodeType.Int(4), 32));
        float[] x = Inputs(3, 64);
        double[] expected = Product(matrix, x);
        for (int row = 0; row < 20; row++) matrix.SetScale(row, 1, 1 + (float)change);
        using WeightMatrix weights = WeightMatrix.Load(matrix);
        Assert.True(RelativeError(expected, Multiply(weights, x, 0, 20)) > 1e-5);
    }

    [Theory, MemberData(nameof(Names))]
    public void Results_do_not_depend_on_the_batch_or_on_the_share(string name)
    {
        RandomCodes matrix = new(75, 88, Formats.First(f => f.Name == name));
        float[] x = Inputs(tokens: 9, matrix.Columns);
        foreach (WeightMatrix weights in Widths(matrix))
        {
            float[] all = Multiply(weights, x, 0, 75);
            for (int t = 0; t < 9; t++)
            {
                float[] alone = Multiply(weights, x[(t * 88)..((t + 1) * 88)], 0, 75);
                Assert.Equal(all[(t * 75)..((t + 1) * 75)], alone);
            }
            foreach ((int from, int to) in ((int, int)[])[(0, 1), (3, 70), (16, 32), (74, 75), (5, 5)])
            {
                float[] part = Multiply(weights, x, from, to);
                for (int i = 0; i < all.Length; i++) Assert.Equal(i % 75 >= from && i % 75 < to ? all[i] : -1, part[i]);
            }
            weights.Dispose();
        }
    }

    [Fact]
    public void Rows_are_looked_up_as_they_are_stored()
    {
        RandomCodes matrix = new(9, 40, WeightFormat.OfCodes(CodeType.UInt(4), 8, hasOffsets: true, actOrder: true));
        using WeightMatrix weights = WeightMatrix.Load(matrix);
        float[] expected = new float[40], actual = new float[40];
        for (int row = 0; row < 9; row++)
        {
            matrix.ReadRow(row, expected);
            fixed (float* output = actual) weights.CopyRow(row, 3, output);
            Assert.Equal(expected.Select(v => v * 3), actual);
        }
    }

    [Fact]
    public void Damaged_codes_and_scales_are_refused_by_name()
    {
        RandomCodes code = new(3, 8, WeightFormat.OfCodes(CodeType.E4M3, 0));
        code.Set(2, 5, 0x7f);
        Assert.Contains("\"random\" (e4m3 per channel): code 127 in row 2", Assert.Throws<BackendException>(() => WeightMatrix.Load(code)).Message);
        RandomCodes scale = new(3, 8, WeightFormat.OfCodes(CodeType.Int(4), 4));
        scale.SetScale(1, 1, float.PositiveInfinity);
        Assert.Contains("the scale of group 1 in row 1", Assert.Throws<BackendException>(() => WeightMatrix.Load(scale)).Message);
    }

    [Fact]
    public void Codes_take_their_bits_and_no_more()
    {
        foreach (int bits in (int[])[1, 2, 4, 8])
        {
            using CodePanels panels = new(new RandomCodes(16, 64, WeightFormat.OfCodes(CodeType.UInt(bits), 0)), lanes: 16, origin: 0);
            Assert.Equal(64 * bits / 32, panels.WordsPerRow);
        }
    }
}
