using Lapidary.Models.Synthetic;
using Lapidary.Quantization;

namespace Lapidary.Tests.Models;

/// <summary>Random weights come from one seed: measurements of two processes are of the same model.</summary>
public sealed class SyntheticWeightsTests
{
    [Theory]
    [InlineData("q4_0", new byte[] { 15, 1, 13, 0, 8 })]
    [InlineData("q8_0", new byte[] { 79, 193, 253, 176, 136 })]
    public void Codes_are_the_same_in_every_process(string format, byte[] expected)
    {
        QuantizedMatrix matrix = (QuantizedMatrix)new SyntheticWeights(SyntheticWeights.FormatNamed(format)).Matrix("layers.0.mlp.up_proj", 4, 64);
        byte[] codes = new byte[64], other = new byte[64];
        matrix.ReadCodes(3, codes);
        matrix.ReadCodes(2, other);
        Assert.Equal(expected, codes[..5]);
        Assert.NotEqual(other, codes);
    }
}
