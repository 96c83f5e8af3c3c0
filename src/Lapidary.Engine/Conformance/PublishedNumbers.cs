using System.Text.RegularExpressions;

namespace Lapidary.Conformance;

/// <summary>What codes stand for, from the published definitions of their formats; shares no table with the product's.</summary>
internal static partial class PublishedNumbers
{
    /// <summary>kvalues_iq4nl of ggml.</summary>
    private static readonly double[] NonLinear = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    /// <summary>The number of each code of a type, NaN where it stands for none.</summary>
    /// <param name="name">"int4" (offset binary), "uint4", "e4m3", …</param>
    /// <exception cref="ConfigException">Nobody has written the definition here.</exception>
    public static double[] Of(string name)
    {
        if (name == "iq4nl") return NonLinear;
        if (Integer().Match(name) is { Success: true } integer)
        {
            int bits = int.Parse(integer.Groups[2].ValueSpan), lowest = integer.Groups[1].Length > 0 ? 0 : -(int)Math.Pow(2, bits - 1);
            return [.. Enumerable.Range(lowest, (int)Math.Pow(2, bits)).Select(n => (double)n)];
        }
        if (Float().Match(name) is { Success: true } floating)
        {
            int exponent = int.Parse(floating.Groups[1].ValueSpan), mantissa = int.Parse(floating.Groups[2].ValueSpan);
            return [.. Enumerable.Range(0, (int)Math.Pow(2, 1 + exponent + mantissa)).Select(code => Number(code, exponent, mantissa))];
        }
        throw new ConfigException($"code type {name} has no published definition in the conformance tests; add one to {nameof(PublishedNumbers)}");
    }

    /// <summary>(-1)^s · 2^(e - bias) · 1.m, or 2^(1 - bias) · 0.m for e = 0. OCP 8-bit floating point and MX specifications.</summary>
    private static double Number(int code, int exponentBits, int mantissaBits)
    {
        int steps = (int)Math.Pow(2, mantissaBits), exponents = (int)Math.Pow(2, exponentBits);
        int m = code % steps, e = code / steps % exponents, bias = exponents / 2 - 1;
        double sign = code / steps / exponents == 1 ? -1 : 1;
        bool none = (exponentBits, mantissaBits) switch
        {
            (4, 3) => e == exponents - 1 && m == steps - 1, // E4M3 gives up infinities; all ones is its only NaN
            (5, 2) => e == exponents - 1,                   // as IEEE 754
            _ => false,                                     // the MX types have neither
        };
        if (none) return double.NaN;
        return sign * (e == 0 ? Math.Pow(2, 1 - bias) * m / steps : Math.Pow(2, e - bias) * (1 + (double)m / steps));
    }

    [GeneratedRegex("^(u?)int([1-8])$")]
    private static partial Regex Integer();

    [GeneratedRegex("^e([1-9])m([1-9])$")]
    private static partial Regex Float();
}
