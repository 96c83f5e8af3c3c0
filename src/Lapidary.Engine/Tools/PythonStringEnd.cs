namespace Lapidary.Tools;

/// <summary>What a quote inside a string of its own kind is.</summary>
internal enum QuoteMeaning
{
    Undecided,

    /// <summary>The end of the string.</summary>
    Ends,

    /// <summary>The end of a part; the next part begins with the last character that was judged.</summary>
    Concatenates,

    /// <summary>A character of the string that the model forgot to escape.</summary>
    Text,
}

/// <summary>
/// Models put commands that have quotes into strings without escaping them: <c>f(command='sed -n '1,9p' x')</c>. A quote ends
/// the string only if the text after it goes on as the call must: closing brackets in order, then the next item or the end.
/// </summary>
internal static class PythonStringEnd
{
    private const int LongestTail = 128;

    private static readonly string[] Constants = ["True", "False", "None", "true", "false", "null"];

    /// <param name="tail">What follows the quote, so far.</param>
    /// <param name="open">Open brackets, the innermost first.</param>
    /// <param name="isKey">Whether the string may be a key.</param>
    /// <param name="mayConcatenate">Whether a string right after this one would be joined to it, as Python does.</param>
    /// <param name="isLast">Whether nothing follows the tail.</param>
    public static QuoteMeaning Judge(string tail, PythonContainer[] open, bool isKey, bool mayConcatenate, CallTrust trust, bool isLast)
    {
        QuoteMeaning atEnd = isLast ? QuoteMeaning.Ends : tail.Length > LongestTail ? QuoteMeaning.Text : QuoteMeaning.Undecided;
        int at = 0;
        for (int level = 0; ; level++)
        {
            int before = at;
            while (at < tail.Length && char.IsWhiteSpace(tail[at])) at++;
            bool isSpaced = at > before;
            if (level == open.Length) return AfterList(tail, at, isSpaced, trust, atEnd);
            if (at == tail.Length) return atEnd;
            char c = tail[at++];
            if (level == 0)
            {
                if (isKey && c == ':') return QuoteMeaning.Ends;
                if (isKey && open[0].Kind == PythonBracket.Object) return QuoteMeaning.Text;
                if (mayConcatenate && isSpaced && c is '\'' or '"') return QuoteMeaning.Concatenates;
            }
            if (c == ',') return BeginsItem(tail[at..].TrimStart(), open[level], atEnd);
            if (c != open[level].Closer) return QuoteMeaning.Text;
        }
    }

    /// <summary>After the last bracket: an announced list ends with its token or another list, one in the text with its line or a space.</summary>
    private static QuoteMeaning AfterList(string tail, int at, bool isSpaced, CallTrust trust, QuoteMeaning atEnd)
    {
        if (trust == CallTrust.InText && isSpaced) return QuoteMeaning.Ends;
        if (at == tail.Length) return atEnd;
        return trust == CallTrust.Announced && isSpaced && tail[at] == '[' ? QuoteMeaning.Ends : QuoteMeaning.Text;
    }

    private static QuoteMeaning BeginsItem(string rest, PythonContainer container, QuoteMeaning atEnd)
    {
        if (rest.Length == 0) return atEnd;
        char first = rest[0];
        if (first == container.Closer) return QuoteMeaning.Ends;
        return container.Kind switch
        {
            PythonBracket.Call => Name(rest, '=', container.Schema, atEnd),
            PythonBracket.List => Name(rest, '(', null, atEnd),
            _ when char.IsAsciiLetter(first) => Constant(rest, atEnd),
            PythonBracket.Object => Meaning(first is '\'' or '"' || char.IsAsciiDigit(first)),
            _ => Meaning(first is '\'' or '"' or '[' or '{' or '(' or '-' || char.IsAsciiDigit(first)),
        };
    }

    /// <summary>A name and then what must follow it; of an argument also that the tool has it.</summary>
    private static QuoteMeaning Name(string rest, char follower, ArgumentSchema? schema, QuoteMeaning atEnd)
    {
        int end = 0;
        while (end < rest.Length && (char.IsLetterOrDigit(rest[end]) || rest[end] is '_' or '.' or '-')) end++;
        string name = rest[..end], after = rest[end..].TrimStart();
        if (after.Length == 0) return atEnd;
        return Meaning(name.Length > 0 && after[0] == follower && schema?.MayHave(name) != false);
    }

    private static QuoteMeaning Constant(string rest, QuoteMeaning atEnd)
    {
        int end = 0;
        while (end < rest.Length && char.IsAsciiLetter(rest[end])) end++;
        return end == rest.Length ? atEnd : Meaning(Constants.Contains(rest[..end]));
    }

    private static QuoteMeaning Meaning(bool ends) => ends ? QuoteMeaning.Ends : QuoteMeaning.Text;
}
