using System.Globalization;
using System.Numerics;

namespace Lapidary.Templates.Values;

/// <summary>Python's text of floats, and exact decimal rounding (half to even on the exact binary value).</summary>
internal static class PythonFloat
{
    /// <summary>Shortest text that reads back as the same number: 1.0, 0.1, 1e+16, 1e-05, inf, nan.</summary>
    public static string Repr(double value)
    {
        if (!double.IsFinite(value)) return NotFinite(value);
        var (negative, digits, exponent) = Shortest(value);
        string sign = negative ? "-" : "";
        return exponent is < -4 or >= 16
            ? sign + Scientific(digits, exponent)
            : sign + Positional(digits, exponent);
    }

    public static string NotFinite(double value) => double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";

    /// <summary>value as 0.d1d2d3… digits with value = d1.d2d3… × 10^exponent.</summary>
    private static (bool Negative, string Digits, int Exponent) Shortest(double value)
    {
        // "E16" would give 17 digits; the default format gives the shortest, in one of two notations.
        string text = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture);
        int e = text.IndexOf('E', StringComparison.Ordinal);
        int exponent = e < 0 ? 0 : int.Parse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        string mantissa = e < 0 ? text : text[..e];
        int point = mantissa.IndexOf('.', StringComparison.Ordinal);
        exponent += (point < 0 ? mantissa.Length : point) - 1;
        string digits = mantissa.Replace(".", "", StringComparison.Ordinal);
        int leading = digits.Length - digits.TrimStart('0').Length;
        digits = digits.Trim('0');
        return (double.IsNegative(value), digits.Length == 0 ? "0" : digits, digits.Length == 0 ? 0 : exponent - leading);
    }

    private static string Positional(string digits, int exponent)
    {
        if (exponent < 0) return "0." + new string('0', -exponent - 1) + digits;
        return digits.Length <= exponent + 1
            ? digits + new string('0', exponent + 1 - digits.Length) + ".0"
            : digits[..(exponent + 1)] + "." + digits[(exponent + 1)..];
    }

    private static string Scientific(string digits, int exponent)
        => (digits.Length == 1 ? digits : digits[..1] + "." + digits[1..]) + Exponent(exponent);

    private static string Exponent(int exponent)
        => string.Create(CultureInfo.InvariantCulture, $"e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");

    /// <summary>The integer nearest to |value| × 10^digits, ties to even.</summary>
    public static BigInteger Scaled(double value, int digits)
    {
        long bits = BitConverter.DoubleToInt64Bits(Math.Abs(value));
        int exponent = (int)(bits >> 52);
        long mantissa = bits & 0xFFFFFFFFFFFFF;
        if (exponent == 0) exponent++;
        else mantissa |= 1L << 52;
        exponent -= 1075;
        BigInteger numerator = mantissa, denominator = 1;
        if (exponent > 0) numerator <<= exponent;
        else denominator <<= -exponent;
        if (digits > 0) numerator *= BigInteger.Pow(10, digits);
        else denominator *= BigInteger.Pow(10, -digits);
        BigInteger quotient = BigInteger.DivRem(numerator, denominator, out BigInteger remainder);
        int half = (remainder * 2).CompareTo(denominator);
        return half > 0 || (half == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }

    /// <summary>|value| with this many digits after the point, as '%.Nf' writes it.</summary>
    public static string Fixed(double value, int digits)
    {
        string scaled = Scaled(value, digits).ToString(CultureInfo.InvariantCulture).PadLeft(digits + 1, '0');
        return digits == 0 ? scaled : scaled[..^digits] + "." + scaled[^digits..];
    }

    /// <summary>|value| as d.ddde±XX with this many digits after the point, as '%.Ne' writes it.</summary>
    public static string Exponential(double value, int digits)
    {
        var (text, exponent) = Rounded(value, digits + 1);
        return (digits == 0 ? text : text[..1] + "." + text[1..]) + Exponent(exponent);
    }

    /// <summary>|value| as '%.Ng' writes it: significant digits, trailing zeros dropped, exponent outside 1e-4 … 10^digits.</summary>
    public static string General(double value, int digits)
    {
        digits = Math.Max(digits, 1);
        var (text, exponent) = Rounded(value, digits);
        text = text.TrimEnd('0');
        if (text.Length == 0) return "0";
        if (exponent < -4 || exponent >= digits) return Scientific(text, exponent);
        string positional = Positional(text, exponent);
        return positional.EndsWith(".0", StringComparison.Ordinal) ? positional[..^2] : positional;
    }

    /// <summary>The first <paramref name="significant"/> digits of |value|, rounded, and the power of ten of the first.</summary>
    private static (string Digits, int Exponent) Rounded(double value, int significant)
    {
        if (value == 0) return (new string('0', significant), 0);
        int exponent = Shortest(value).Exponent;
        string text = Scaled(value, significant - 1 - exponent).ToString(CultureInfo.InvariantCulture);
        return text.Length > significant ? (text[..significant], exponent + 1) : (text, exponent);
    }

    /// <summary>Python's round(value, digits) for floats.</summary>
    public static double Round(double value, int digits)
    {
        if (!double.IsFinite(value) || digits > 323) return value;
        if (digits < -309) return Math.CopySign(0, value);
        string scaled = string.Create(CultureInfo.InvariantCulture, $"{Scaled(value, digits)}E{-digits}");
        return Math.CopySign(double.Parse(scaled, CultureInfo.InvariantCulture), value);
    }
}
