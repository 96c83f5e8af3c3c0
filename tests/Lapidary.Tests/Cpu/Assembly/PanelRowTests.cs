using Lapidary.Cpu;
using Lapidary.Cpu.Assembly;
using Lapidary.Quantization;

namespace Lapidary.Tests.Cpu.Assembly;

/// <summary>Rows come out of panels as the stored matrix gives them, to the bit.</summary>
public sealed unsafe class PanelRowTests
{
    private const float Factor = 53.066f; // as embeddings are scaled

    public static TheoryData<string, int, bool, string> Formats() => IntegerMatrixTests.Formats();

    public static TheoryData<string, int, bool> FactoredFormats => IntegerMatrixTests.FactoredFormats;

    [Theory, MemberData(nameof(Formats))]
    public void Rows_are_those_of_the_matrix(string code, int group, bool offsets, string scale)
    {
        // An offset that took in a signed type's lowest number: 2^(bits - 22) of the largest scale (numerics.md, section 4).
        const float largestScale = 1.1f;
        float tolerance = offsets && code[0] == 'i' ? MathF.ScaleB(largestScale, (code[^1] - '0') - 22) : 0;
        foreach ((int rows, int columns) in (ReadOnlySpan<(int, int)>)[(16, 64), (37, 96), (22, 88)])
            AssertRows(IntegerMatrixTests.Matrix(code, group, offsets, scale, rows, columns), tolerance);
    }

    [Theory, MemberData(nameof(FactoredFormats))]
    public void Rows_with_factors_are_those_of_the_matrix(string code, int group, bool offsets)
        => AssertRows(new FactoredMatrix(37, 512, WeightFormat.OfCodes(CodeType.All.Single(c => c.Name == code), group, offsets), seed: 5), tolerance: 0);

    private static void AssertRows(QuantizedMatrix source, float tolerance)
    {
        using IntegerMatrix matrix = new(source, AssemblyUse.Allowed);
        float[] expected = new float[source.Columns], row = new float[source.Columns + 1];
        for (int r = 0; r < source.Rows; r++)
        {
            source.ReadRow(r, expected);
            row[^1] = 7; // beyond the row nothing is written
            fixed (float* output = row) matrix.CopyRow(r, Factor, output);
            Assert.Equal(7, row[^1]);
            for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i] * Factor, row[i], tolerance * Factor);
        }
        fixed (float* output = row) matrix.CopyRow(0, Factor, output); // expected is the last row
        Assert.Contains(expected.Zip(row), pair => MathF.Abs(pair.First * Factor - pair.Second) > 0.01f * Factor);
    }
}
