using System.Text.RegularExpressions;
using Lapidary.Server.Errors;

namespace Lapidary.Server.Requests;

/// <summary>
/// Refuses a pattern of a schema that is an expression in no dialect, like "(" or "*". Schemas speak ECMA 262, which .NET reads
/// a little differently, so only faults that both call one count.
/// </summary>
internal static class SchemaPattern
{
    private const int Longest = 4096;

    private static readonly RegexParseError[] Faults =
    [
        RegexParseError.InsufficientClosingParentheses, RegexParseError.InsufficientOpeningParentheses, RegexParseError.QuantifierAfterNothing,
        RegexParseError.UnterminatedBracket, RegexParseError.UnescapedEndingBackslash, RegexParseError.ReversedQuantifierRange, RegexParseError.ReversedCharacterRange,
    ];

    /// <exception cref="ApiException">Names the fault and its place in the pattern.</exception>
    public static void Check(string pattern, string path)
    {
        if (pattern.Length > Longest) throw ApiException.Invalid(path, $"{path} has {pattern.Length} characters, more than the {Longest} allowed");
        if (pattern.Contains("[]", StringComparison.Ordinal) || pattern.Contains("[^]", StringComparison.Ordinal)) return; // no and any character in ECMA 262, an open bracket in .NET
        try
        {
            _ = new Regex(pattern); // read and never run
        }
        catch (RegexParseException fault) when (Faults.Contains(fault.Error))
        {
            throw ApiException.Invalid(path, $"{path} is {MessageText.Quote(pattern)}, which is no regular expression: {fault.Error} at character {fault.Offset}");
        }
        catch (RegexParseException)
        {
            // of a dialect that is not .NET's
        }
    }
}
