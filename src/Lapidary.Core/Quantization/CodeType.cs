namespace Lapidary.Quantization;

/// <summary>
/// What the code of one stored element means: the number it stands for, before scale and offset. Integers and small floats
/// of 1 to 8 bits alike are a table of at most 256 numbers; nothing else in the product knows their bits.
/// </summary>
public sealed class CodeType
{
    private readonly float[] values;

    private CodeType(string name, int bits, Func<int, double> value)
    {
        Name = name;
        Bits = bits;
        values = [.. Enumerable.Range(0, 1 << bits).Select(code => (float)value(code))];
    }

    /// <summary>e.g. "int4", "uint4", "e4m3".</summary>
    public string Name { get; }

    /// <summary>Bits of one code, 1 to 8.</summary>
    public int Bits { get; }

    /// <summary>The number of each code, 2^Bits of them; NaN where the format has a NaN.</summary>
    public ReadOnlySpan<float> Values => values;

    /// <summary>0 to 2^bits - 1.</summary>
    public static CodeType UInt(int bits) => Unsigned[Checked(bits)];

    /// <summary>-2^(bits-1) to 2^(bits-1) - 1, offset binary: the code is the number plus 2^(bits-1).</summary>
    public static CodeType Int(int bits) => Signed[Checked(bits)];

    /// <summary>1 sign, 2 exponent, 1 mantissa bit (OCP MX 4-bit): 0, 0.5, 1, 1.5, 2, 3, 4, 6.</summary>
    public static CodeType E2M1 { get; } = new("e2m1", 4, code => Float(code, exponentBits: 2, mantissaBits: 1, bias: 1));

    /// <summary>1 sign, 2 exponent, 3 mantissa bits (OCP MX 6-bit).</summary>
    public static CodeType E2M3 { get; } = new("e2m3", 6, code => Float(code, exponentBits: 2, mantissaBits: 3, bias: 1));

    /// <summary>1 sign, 3 exponent, 2 mantissa bits (OCP MX 6-bit).</summary>
    public static CodeType E3M2 { get; } = new("e3m2", 6, code => Float(code, exponentBits: 3, mantissaBits: 2, bias: 3));

    /// <summary>1 sign, 4 exponent, 3 mantissa bits, no infinities, one NaN for each sign (OCP FP8, "fn").</summary>
    public static CodeType E4M3 { get; } = new("e4m3", 8, code =>
        (code & 0x7f) == 0x7f ? double.NaN : Float(code, exponentBits: 4, mantissaBits: 3, bias: 7));

    /// <summary>1 sign, 5 exponent, 2 mantissa bits, with infinities and NaNs as in IEEE 754 (OCP FP8).</summary>
    public static CodeType E5M2 { get; } = new("e5m2", 8, code => (code & 0x7f) switch
    {
        0x7c => code < 0x80 ? double.PositiveInfinity : double.NegativeInfinity,
        > 0x7c => double.NaN,
        _ => Float(code, exponentBits: 5, mantissaBits: 2, bias: 15),
    });

    /// <summary>The 16 uneven steps of ggml's IQ4_NL.</summary>
    public static CodeType IQ4NL { get; } = new("iq4nl", 4, code =>
        ((ReadOnlySpan<sbyte>)[-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])[code]);

    private static readonly CodeType[] Unsigned = [.. Enumerable.Range(0, 9).Select(bits => new CodeType($"uint{bits}", bits, code => code))];

    private static readonly CodeType[] Signed =
        [.. Enumerable.Range(0, 9).Select(bits => new CodeType($"int{bits}", bits, code => code - (1 << bits) / 2))];

    /// <summary>Every code type a stored weight may use.</summary>
    public static IReadOnlyList<CodeType> All { get; } = [.. Unsigned[1..], .. Signed[1..], E2M1, E2M3, E3M2, E4M3, E5M2, IQ4NL];

    public override string ToString() => Name;

    private static int Checked(int bits)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bits, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bits, 8);
        return bits;
    }

    /// <summary>Sign, exponent, mantissa from the top bit down; exponent 0 is subnormal.</summary>
    internal static double Float(int code, int exponentBits, int mantissaBits, int bias)
    {
        int mantissa = code & ((1 << mantissaBits) - 1), exponent = (code >> mantissaBits) & ((1 << exponentBits) - 1);
        double magnitude = exponent == 0
            ? Math.ScaleB(mantissa, 1 - bias - mantissaBits)
            : Math.ScaleB(mantissa + (1 << mantissaBits), exponent - bias - mantissaBits);
        return (code >> (exponentBits + mantissaBits)) == 0 ? magnitude : -magnitude;
    }
}
