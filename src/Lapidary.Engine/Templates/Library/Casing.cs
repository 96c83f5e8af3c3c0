using System.Globalization;
using System.Text;

namespace Lapidary.Templates.Library;

/// <summary>
/// Python's case conversions. .NET maps one character to one character; Python also applies the longer mappings of
/// Unicode's SpecialCasing.txt (ß to SS) and the final form of the Greek sigma.
/// </summary>
internal static class Casing
{
    // Each word: a character, then what its upper case is. .NET's invariant mapping leaves the first two, dotless i and
    // long s, as they are.
    private const string LongUpper =
        "\u0131\u0049 \u017f\u0053 " +
        "\u00df\u0053\u0053 \u0149\u02bc\u004e \u01f0\u004a\u030c \u0390\u0399\u0308\u0301 \u03b0\u03a5\u0308\u0301 \u0587\u0535\u0552 " +
        "\u1e96\u0048\u0331 \u1e97\u0054\u0308 \u1e98\u0057\u030a \u1e99\u0059\u030a \u1e9a\u0041\u02be \u1f50\u03a5\u0313 " +
        "\u1f52\u03a5\u0313\u0300 \u1f54\u03a5\u0313\u0301 \u1f56\u03a5\u0313\u0342 \u1f80\u1f08\u0399 \u1f81\u1f09\u0399 " +
        "\u1f82\u1f0a\u0399 \u1f83\u1f0b\u0399 \u1f84\u1f0c\u0399 \u1f85\u1f0d\u0399 \u1f86\u1f0e\u0399 \u1f87\u1f0f\u0399 " +
        "\u1f88\u1f08\u0399 \u1f89\u1f09\u0399 \u1f8a\u1f0a\u0399 \u1f8b\u1f0b\u0399 \u1f8c\u1f0c\u0399 \u1f8d\u1f0d\u0399 " +
        "\u1f8e\u1f0e\u0399 \u1f8f\u1f0f\u0399 \u1f90\u1f28\u0399 \u1f91\u1f29\u0399 \u1f92\u1f2a\u0399 \u1f93\u1f2b\u0399 " +
        "\u1f94\u1f2c\u0399 \u1f95\u1f2d\u0399 \u1f96\u1f2e\u0399 \u1f97\u1f2f\u0399 \u1f98\u1f28\u0399 \u1f99\u1f29\u0399 " +
        "\u1f9a\u1f2a\u0399 \u1f9b\u1f2b\u0399 \u1f9c\u1f2c\u0399 \u1f9d\u1f2d\u0399 \u1f9e\u1f2e\u0399 \u1f9f\u1f2f\u0399 " +
        "\u1fa0\u1f68\u0399 \u1fa1\u1f69\u0399 \u1fa2\u1f6a\u0399 \u1fa3\u1f6b\u0399 \u1fa4\u1f6c\u0399 \u1fa5\u1f6d\u0399 " +
        "\u1fa6\u1f6e\u0399 \u1fa7\u1f6f\u0399 \u1fa8\u1f68\u0399 \u1fa9\u1f69\u0399 \u1faa\u1f6a\u0399 \u1fab\u1f6b\u0399 " +
        "\u1fac\u1f6c\u0399 \u1fad\u1f6d\u0399 \u1fae\u1f6e\u0399 \u1faf\u1f6f\u0399 \u1fb2\u1fba\u0399 \u1fb3\u0391\u0399 " +
        "\u1fb4\u0386\u0399 \u1fb6\u0391\u0342 \u1fb7\u0391\u0342\u0399 \u1fbc\u0391\u0399 \u1fc2\u1fca\u0399 \u1fc3\u0397\u0399 " +
        "\u1fc4\u0389\u0399 \u1fc6\u0397\u0342 \u1fc7\u0397\u0342\u0399 \u1fcc\u0397\u0399 \u1fd2\u0399\u0308\u0300 " +
        "\u1fd3\u0399\u0308\u0301 \u1fd6\u0399\u0342 \u1fd7\u0399\u0308\u0342 \u1fe2\u03a5\u0308\u0300 \u1fe3\u03a5\u0308\u0301 " +
        "\u1fe4\u03a1\u0313 \u1fe6\u03a5\u0342 \u1fe7\u03a5\u0308\u0342 \u1ff2\u1ffa\u0399 \u1ff3\u03a9\u0399 \u1ff4\u038f\u0399 " +
        "\u1ff6\u03a9\u0342 \u1ff7\u03a9\u0342\u0399 \u1ffc\u03a9\u0399 \ufb00\u0046\u0046 \ufb01\u0046\u0049 \ufb02\u0046\u004c " +
        "\ufb03\u0046\u0046\u0049 \ufb04\u0046\u0046\u004c \ufb05\u0053\u0054 \ufb06\u0053\u0054 \ufb13\u0544\u0546 \ufb14\u0544\u0535 " +
        "\ufb15\u0544\u053b \ufb16\u054e\u0546 \ufb17\u0544\u053d";

    private static readonly Dictionary<char, string> Uppers = LongUpper.Split(' ').ToDictionary(word => word[0], word => word[1..]);

    public static string Upper(string text)
    {
        string simple = text.ToUpperInvariant();
        if (Ascii.IsValid(text)) return simple;
        StringBuilder upper = new(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (Uppers.TryGetValue(text[i], out string? longer)) upper.Append(longer);
            else upper.Append(simple[i]);
        }
        return upper.ToString();
    }

    public static string Lower(string text)
    {
        string simple = text.ToLowerInvariant();
        if (text.AsSpan().IndexOfAny('\u03a3', '\u0130') < 0) return simple;
        StringBuilder lower = new(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '\u0130') lower.Append("i\u0307");
            else lower.Append(text[i] == '\u03a3' && IsFinal(text, i) ? '\u03c2' : simple[i]);
        }
        return lower.ToString();
    }

    /// <summary>The sigma ends a word: a letter stands before it and none after it.</summary>
    private static bool IsFinal(string text, int sigma)
    {
        int before = sigma - 1, after = sigma + 1;
        while (before >= 0 && IsIgnorable(text[before])) before--;
        while (after < text.Length && IsIgnorable(text[after])) after++;
        return before >= 0 && IsCased(text[before]) && (after == text.Length || !IsCased(text[after]));
    }

    private static bool IsIgnorable(char c) => c is '\'' or '.' or ':' or '^' or '`' or '\u00b7' or '\u2019'
        || char.GetUnicodeCategory(c) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format
        or UnicodeCategory.ModifierLetter or UnicodeCategory.ModifierSymbol;

    private static bool IsCased(char c) => char.IsUpper(c) || char.IsLower(c) || char.GetUnicodeCategory(c) == UnicodeCategory.TitlecaseLetter;

    /// <summary>str.capitalize: the first letter in title case, the others in lower case.</summary>
    public static string Capitalize(string text) => text.Length == 0 ? "" : Titlecase(text) + Lower(text)[LowerLength(text)..];

    private static int LowerLength(string text) => text[0] == '\u0130' ? 2 : FirstLength(text);

    private static int FirstLength(string text) => text.Length > 1 && char.IsSurrogatePair(text, 0) ? 2 : 1;

    private static string Titlecase(string text)
    {
        string first = text[..FirstLength(text)];
        if (first[0] is >= '\u01c4' and <= '\u01cc') return first[0] <= '\u01c6' ? "\u01c5" : first[0] <= '\u01c9' ? "\u01c8" : "\u01cb";
        if (first[0] is >= '\u01f1' and <= '\u01f3') return "\u01f2";
        string upper = Upper(first);
        if (upper.Length == first.Length) return upper;
        int letter = IsCased(upper[0]) ? 1 : 2;
        return upper[..letter] + Lower(upper[letter..]);
    }

    /// <summary>str.title: every run of letters is capitalised.</summary>
    public static string Title(string text)
    {
        StringBuilder title = new(text.Length);
        bool inWord = false;
        string lower = text.ToLowerInvariant();
        for (int i = 0; i < text.Length; i++)
        {
            title.Append(!IsCased(text[i]) ? text[i].ToString() : inWord ? lower[i].ToString() : Titlecase(text[i].ToString()));
            inWord = IsCased(text[i]);
        }
        return title.ToString();
    }

    public static string SwapCase(string text)
        => string.Concat(text.Select(c => char.IsUpper(c) ? Lower(c.ToString()) : char.IsLower(c) ? Upper(c.ToString()) : c.ToString()));

    /// <summary>Jinja's title filter: a word also ends at white space, hyphens and opening brackets only.</summary>
    public static string TitleFilter(string text)
    {
        StringBuilder title = new(text.Length);
        for (int i = 0; i < text.Length;)
        {
            int start = i;
            bool separator = IsSeparator(text[i]);
            while (i < text.Length && IsSeparator(text[i]) == separator) i++;
            string part = text[start..i];
            int first = FirstLength(part);
            title.Append(separator ? part : Upper(part[..first]) + Lower(part[first..]));
        }
        return title.ToString();
    }

    private static bool IsSeparator(char c) => c is '-' or '(' or '{' or '[' or '<' || Values.PythonText.IsSpace(c);

    public static bool IsLower(string text) => text.Any(char.IsLower) && !text.Any(c => char.IsUpper(c) || char.GetUnicodeCategory(c) == UnicodeCategory.TitlecaseLetter);

    public static bool IsUpper(string text) => text.Any(char.IsUpper) && !text.Any(c => char.IsLower(c) || char.GetUnicodeCategory(c) == UnicodeCategory.TitlecaseLetter);

    public static bool IsTitle(string text)
    {
        bool inWord = false, any = false;
        foreach (char c in text)
        {
            bool upper = char.IsUpper(c) || char.GetUnicodeCategory(c) == UnicodeCategory.TitlecaseLetter;
            if (upper ? inWord : char.IsLower(c) && !inWord) return false;
            inWord = IsCased(c);
            any |= inWord;
        }
        return any;
    }
}
