using System.Buffers;
using System.Globalization;
using System.Numerics;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>Python's int(text, base) and float(text); null where Python raises ValueError.</summary>
internal static class NumberReading
{
    private static readonly SearchValues<char> FloatCharacters = SearchValues.Create("0123456789._eE+-");

    public static BigInteger? Integer(string text, int radix)
    {
        if (radix is not 0 and (< 2 or > 36)) return null;
        ReadOnlySpan<char> digits = PythonText.Trim(text);
        bool negative = digits.StartsWith("-");
        if (negative || digits.StartsWith("+")) digits = digits[1..];
        int prefixed = Prefix(digits);
        bool hasPrefix = prefixed != 0 && (radix == 0 || radix == prefixed);
        if (hasPrefix)
        {
            digits = digits[2..];
            radix = prefixed;
        }
        else if (radix == 0)
        {
            // Without a prefix base 0 means decimal, where only zero may start with a zero.
            radix = 10;
            if (digits.Length > 1 && digits[0] == '0' && digits.IndexOfAnyExcept('0', '_') >= 0) return null;
        }
        if (digits.Length > IntValue.MaxDigits) return null;
        BigInteger value = BigInteger.Zero;
        bool afterDigit = hasPrefix;
        foreach (char c in digits)
        {
            if (c == '_' && afterDigit) { afterDigit = false; continue; }
            int digit = Digit(c);
            if (digit < 0 || digit >= radix) return null;
            value = value * radix + digit;
            afterDigit = true;
        }
        if (digits.Length == 0 || !afterDigit) return null;
        return negative ? -value : value;
    }

    private static int Prefix(ReadOnlySpan<char> digits)
        => digits.Length > 1 && digits[0] == '0' ? char.ToLowerInvariant(digits[1]) switch { 'b' => 2, 'o' => 8, 'x' => 16, _ => 0 } : 0;

    private static int Digit(char c)
    {
        if (char.IsAsciiLetter(c)) return char.ToLowerInvariant(c) - 'a' + 10;
        return char.IsAsciiDigit(c) ? c - '0' : c > 0x7f && char.IsDigit(c) ? (int)char.GetNumericValue(c) : -1;
    }

    public static double? Float(string text)
    {
        string trimmed = PythonText.Trim(text);
        ReadOnlySpan<char> body = trimmed.AsSpan().TrimStart("+-");
        if (trimmed.Length - body.Length > 1) return null;
        double sign = trimmed.StartsWith('-') ? -1 : 1;
        if (body.Equals("inf", StringComparison.OrdinalIgnoreCase) || body.Equals("infinity", StringComparison.OrdinalIgnoreCase)) return sign * double.PositiveInfinity;
        if (body.Equals("nan", StringComparison.OrdinalIgnoreCase)) return double.NaN;
        if (body.Length == 0 || body.IndexOfAnyExcept(FloatCharacters) >= 0 || !UnderscoresPartDigits(body)) return null;
        return double.TryParse(trimmed.Replace("_", "", StringComparison.Ordinal), NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : null;
    }

    private static bool UnderscoresPartDigits(ReadOnlySpan<char> text)
    {
        for (int i = 0; i < text.Length; i++)
            if (text[i] == '_' && (i == 0 || i + 1 == text.Length || !char.IsAsciiDigit(text[i - 1]) || !char.IsAsciiDigit(text[i + 1]))) return false;
        return true;
    }
}
