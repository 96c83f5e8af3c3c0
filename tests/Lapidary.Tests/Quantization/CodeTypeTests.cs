using Lapidary.Quantization;

namespace Lapidary.Tests.Quantization;

/// <summary>The numbers that codes stand for, against the published tables.</summary>
public sealed class CodeTypeTests
{
    [Fact]
    public void E2m1_is_the_table_of_the_ocp_specification()
        => Assert.Equal([0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0f, -0.5f, -1, -1.5f, -2, -3, -4, -6], CodeType.E2M1.Values.ToArray());

    [Theory]
    [InlineData(0x01, 0.001953125f)]    // 2^-9, the smallest subnormal
    [InlineData(0x08, 0.015625f)]       // 2^-6, the smallest normal
    [InlineData(0x38, 1f)]
    [InlineData(0x7e, 448f)]
    [InlineData(0xfe, -448f)]
    [InlineData(0x7f, float.NaN)]
    public void E4m3_has_448_as_its_largest_and_no_infinity(int code, float expected) => Assert.Equal(expected, CodeType.E4M3.Values[code]);

    /// <summary>E5M2 is the upper byte of an IEEE half, which .NET decodes itself.</summary>
    [Fact]
    public void E5m2_is_the_upper_byte_of_a_half()
    {
        for (int code = 0; code < 256; code++)
            Assert.Equal((float)BitConverter.UInt16BitsToHalf((ushort)(code << 8)), CodeType.E5M2.Values[code]);
    }

    [Theory]
    [InlineData(0x1f, 7.5f)]            // e2m3
    [InlineData(0x01, 0.125f)]
    public void E2m3_reaches_7_and_a_half(int code, float expected) => Assert.Equal(expected, CodeType.E2M3.Values[code]);

    [Theory]
    [InlineData(0x1f, 28f)]             // e3m2
    [InlineData(0x01, 0.0625f)]
    public void E3m2_reaches_28(int code, float expected) => Assert.Equal(expected, CodeType.E3M2.Values[code]);

    /// <summary>The formula that the tables are made with, whatever the order in which tests run: its bits read as text.</summary>
    [Theory, InlineData(2, 1, 1), InlineData(2, 3, 1), InlineData(3, 2, 3), InlineData(4, 3, 7), InlineData(5, 2, 15)]
    public void A_small_float_is_sign_exponent_and_mantissa(int exponentBits, int mantissaBits, int bias)
    {
        for (int code = 0; code < 2 << (exponentBits + mantissaBits); code++)
        {
            string bits = Convert.ToString(code, 2).PadLeft(1 + exponentBits + mantissaBits, '0');
            int exponent = Convert.ToInt32(bits[1..(1 + exponentBits)], 2);
            double fraction = Convert.ToInt32(bits[(1 + exponentBits)..], 2) / Math.Pow(2, mantissaBits);
            double magnitude = exponent == 0 ? fraction * Math.Pow(2, 1 - bias) : (1 + fraction) * Math.Pow(2, exponent - bias);
            Assert.Equal(bits[0] == '1' ? -magnitude : magnitude, CodeType.Float(code, exponentBits, mantissaBits, bias));
        }
    }

    [Fact]
    public void Integers_are_offset_binary()
    {
        Assert.Equal([-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7], CodeType.Int(4).Values.ToArray());
        Assert.Equal([0, 1, 2, 3], CodeType.UInt(2).Values.ToArray());
        Assert.Equal([-1, 0], CodeType.Int(1).Values.ToArray());
        Assert.Equal(256, CodeType.Int(8).Values.Length);
    }

    [Fact]
    public void Every_type_has_a_number_for_every_code()
        => Assert.All(CodeType.All, type => Assert.Equal(1 << type.Bits, type.Values.Length));
}
