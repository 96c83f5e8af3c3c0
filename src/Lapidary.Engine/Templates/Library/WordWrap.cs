using System.Globalization;
using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>The wordwrap filter, with the line breaking of Python's textwrap.</summary>
internal static class WordWrap
{
    private sealed record Rules(int Width, bool BreakLongWords, bool BreakOnHyphens);

    public static StringValue Wrap(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        if (value is not StringValue text) throw new TemplateFault($"wordwrap needs a string, got {value.TypeName}");
        Rules rules = new(arguments.Integer(0, 79), arguments[1]?.IsTrue != false, arguments[3]?.IsTrue != false);
        if (rules.Width <= 0) throw new TemplateFault("wordwrap needs a width of at least 1");
        context.ChargeText(text.Text.Length);
        string newline = arguments.TextOrNull(2) ?? "\n";
        List<string> wrapped = [];
        foreach (string line in PythonText.Lines(text.Text)) wrapped.Add(string.Join(newline, WrapLine(line, rules, context)));
        return context.Text(string.Join(newline, wrapped));
    }

    private static List<string> WrapLine(string line, Rules rules, RenderContext context)
    {
        // Widths count code points; a StringValue knows where they begin.
        Stack<StringValue> chunks = new(Chunks(line, rules, context).AsEnumerable().Reverse().Select(chunk => new StringValue(chunk)));
        List<string> lines = [];
        while (chunks.Count > 0)
        {
            context.Charge();
            if (lines.Count > 0 && IsBlank(chunks.Peek().Text)) chunks.Pop();
            List<string> current = [];
            int length = 0;
            while (chunks.Count > 0 && length + chunks.Peek().Length <= rules.Width)
            {
                length += chunks.Peek().Length!.Value;
                current.Add(chunks.Pop().Text);
            }
            if (chunks.Count > 0 && chunks.Peek().Length > rules.Width)
            {
                context.ChargeText(chunks.Peek().Text.Length);   // its rest is copied for every line
                SplitLongWord(chunks, current, rules.Width - length, rules);
            }
            if (current.Count > 0 && IsBlank(current[^1])) current.RemoveAt(current.Count - 1);
            if (current.Count > 0) lines.Add(string.Concat(current));
        }
        return lines;
    }

    private static void SplitLongWord(Stack<StringValue> chunks, List<string> current, int room, Rules rules)
    {
        if (!rules.BreakLongWords)
        {
            if (current.Count == 0) current.Add(chunks.Pop().Text);
            return;
        }
        StringValue chunk = chunks.Pop();
        string word = chunk.Text;
        int end = chunk.Utf16Index(room);
        int hyphen = rules.BreakOnHyphens && end > 0 ? word.LastIndexOf('-', end - 1) : -1;
        if (hyphen > 0 && word.AsSpan(0, hyphen).IndexOfAnyExcept('-') >= 0) end = hyphen + 1;
        current.Add(word[..end]);
        chunks.Push(new StringValue(word[end..]));
    }

    private static bool IsBlank(string chunk) => chunk.All(PythonText.IsSpace);

    /// <summary>Words, white space and dashes, none of which has a break inside.</summary>
    private static List<string> Chunks(string line, Rules rules, RenderContext context)
    {
        List<string> chunks = [];
        for (int start = 0; start < line.Length;)
        {
            int end = ChunkEnd(line, start, rules.BreakOnHyphens);
            context.Charge();
            chunks.Add(line[start..end]);
            start = end;
        }
        return chunks;
    }

    private static int ChunkEnd(string line, int start, bool hyphens)
    {
        int end = start;
        if (IsBreakingSpace(line[start]))
        {
            while (end < line.Length && IsBreakingSpace(line[end])) end++;
            return end;
        }
        if (hyphens && start > 0 && IsWordPunctuation(line, start - 1) && DashEnd(line, start) is > 0 and var dash) return dash;
        for (end = start + 1; end < line.Length && !IsBreakingSpace(line[end]); end++)
        {
            if (!hyphens) continue;
            if (IsHyphen(line, end)) return end + 1;
            if (IsWordPunctuation(line, end - 1) && DashEnd(line, end) > 0) return end;
        }
        return end;
    }

    /// <summary>A hyphen between letters: two before it (or one-letter parts), two after it.</summary>
    private static bool IsHyphen(string line, int at)
    {
        if (line[at] != '-') return false;
        bool before = (at >= 2 && IsLetter(line, at - 2) && IsLetter(line, at - 1))
            || (at >= 3 && IsLetter(line, at - 3) && line[at - 2] == '-' && IsWordPunctuation(line, at - 1));
        int second = at + 2 < line.Length && line[at + 2] == '-' ? at + 3 : at + 2;
        return before && second < line.Length && IsLetter(line, at + 1) && IsLetter(line, second);
    }

    /// <summary>End of two or more hyphens with a word behind them; 0 when there are none here.</summary>
    private static int DashEnd(string line, int at)
    {
        int end = at;
        while (end < line.Length && line[end] == '-') end++;
        return end - at >= 2 && end < line.Length && IsWord(line, end) ? end : 0;
    }

    private static bool IsBreakingSpace(char c) => c is ' ' or '\t' or '\n' or '\v' or '\f' or '\r';

    private static bool IsWordPunctuation(string line, int at) => IsWord(line, at) || line[at] is '!' or '"' or '\'' or '&' or '.' or ',' or '?';

    private static bool IsLetter(string line, int at) => IsWord(line, at) && !char.IsDigit(line, at);

    /// <summary>The character at this UTF-16 unit is one of a word, as \w in Python's regular expressions.</summary>
    public static bool IsWord(string text, int at)
    {
        char c = text[at];
        if (!char.IsSurrogate(c)) return c == '_' || IsWord(char.GetUnicodeCategory(c));
        int start = char.IsLowSurrogate(c) ? at - 1 : at;
        return start >= 0 && start + 1 < text.Length && char.IsSurrogatePair(text, start) && IsWord(CharUnicodeInfo.GetUnicodeCategory(text, start));
    }

    private static bool IsWord(UnicodeCategory category) => category is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter
        or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter
        or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;
}
