using System.Globalization;
using System.Text;
using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

internal enum Sides { Left, Right, Both }

/// <summary>The methods of Python's str.</summary>
internal static class StringMethods
{
    private static readonly Dictionary<string, Builtin> Methods = new[] { Changing(), Searching(), Splitting(), Asking() }
        .SelectMany(group => group).ToDictionary(method => method.Name, StringComparer.Ordinal);

    public static BuiltinValue? Find(StringValue text, string name)
        => Methods.TryGetValue(name, out Builtin? method) ? new BuiltinValue(method, text) : null;

    private delegate TemplateValue Method(RenderContext context, StringValue text, BoundArguments arguments);

    private static Builtin On(string name, string[] parameters, Method body)
        => new(name, parameters, (context, subject, arguments) => body(context, (StringValue)subject, arguments)) { PositionalOnly = true };

    private static Builtin Change(string name, Func<string, string> change) => On(name, [], (context, text, _) =>
    {
        context.ChargeText(text.Text.Length);
        return text.With(change(text.Text));
    });

    private static Builtin[] Changing() =>
    [
        Change("upper", Casing.Upper), Change("lower", Casing.Lower), Change("title", Casing.Title),
        Change("capitalize", Casing.Capitalize), Change("swapcase", Casing.SwapCase),
        Change("casefold", text => Casing.Lower(Casing.Lower(text).Replace("ß", "ss", StringComparison.Ordinal).Replace('ς', 'σ'))),
        On("strip", ["chars?"], (context, text, a) => Stripped(context, text, a, Sides.Both)),
        On("lstrip", ["chars?"], (context, text, a) => Stripped(context, text, a, Sides.Left)),
        On("rstrip", ["chars?"], (context, text, a) => Stripped(context, text, a, Sides.Right)),
        On("replace", ["old", "new", "count?"], (context, text, a) => text.With(Replace(text, a.Text(0), a.Text(1), a.Integer(2, -1), context))),
        On("removeprefix", ["prefix"], (context, text, a) =>
            text.Text.StartsWith(a.Text(0), StringComparison.Ordinal) ? Part(context, text, a.Text(0).Length, text.Text.Length) : text),
        On("removesuffix", ["suffix"], (context, text, a) =>
            text.Text.EndsWith(a.Text(0), StringComparison.Ordinal) ? Part(context, text, 0, text.Text.Length - a.Text(0).Length) : text),
        On("center", ["width", "fillchar?"], (context, text, a) => Pad(text, a.Integer(0, 0), a.TextOrNull(1) ?? " ", Sides.Both, context)),
        On("ljust", ["width", "fillchar?"], (context, text, a) => Pad(text, a.Integer(0, 0), a.TextOrNull(1) ?? " ", Sides.Right, context)),
        On("rjust", ["width", "fillchar?"], (context, text, a) => Pad(text, a.Integer(0, 0), a.TextOrNull(1) ?? " ", Sides.Left, context)),
        On("zfill", ["width"], ZeroFill),
        On("expandtabs", ["tabsize?"], ExpandTabs) with { PositionalOnly = false },
        On("join", ["iterable"], Join),
        new("format", [], (context, subject, a) => BraceFormat.Format((StringValue)subject, a.Call, context)) { AnyArguments = true },
        On("format_map", ["mapping"], (context, text, a) => BraceFormat.FormatMap(text, a[0]!, context)),
    ];

    private static Builtin[] Searching() =>
    [
        On("startswith", ["prefix", "start?", "end?"], (context, text, a) => HasEnd(context, text, a, (part, end) => part.StartsWith(end, StringComparison.Ordinal))),
        On("endswith", ["suffix", "start?", "end?"], (context, text, a) => HasEnd(context, text, a, (part, end) => part.EndsWith(end, StringComparison.Ordinal))),
        On("find", ["sub", "start?", "end?"], (context, text, a) => new IntValue(IndexOf(context, text, a, fromEnd: false))),
        On("rfind", ["sub", "start?", "end?"], (context, text, a) => new IntValue(IndexOf(context, text, a, fromEnd: true))),
        On("index", ["sub", "start?", "end?"], (context, text, a) => Required(IndexOf(context, text, a, fromEnd: false))),
        On("rindex", ["sub", "start?", "end?"], (context, text, a) => Required(IndexOf(context, text, a, fromEnd: true))),
        On("count", ["sub", "start?", "end?"], Count),
    ];

    private static Builtin[] Splitting() =>
    [
        On("split", ["sep?", "maxsplit?"], (context, text, a) => Split(context, text, a, StringSplitting.OnSpace, StringSplitting.On)) with { PositionalOnly = false },
        On("rsplit", ["sep?", "maxsplit?"], (context, text, a) => Split(context, text, a, StringSplitting.OnSpaceFromEnd, StringSplitting.OnFromEnd)) with { PositionalOnly = false },
        On("splitlines", ["keepends?"], (context, text, a) => Parts(context, text, PythonText.Lines(text.Text, a.IsTrue(0)))) with { PositionalOnly = false },
        On("partition", ["sep"], (context, text, a) => Partition(context, text, a.Text(0), Sides.Left)),
        On("rpartition", ["sep"], (context, text, a) => Partition(context, text, a.Text(0), Sides.Right)),
    ];

    private static Builtin Is(string name, Func<string, bool> test) => On(name, [], (context, text, _) =>
    {
        context.Charge(text.Text.Length >> 2);
        return BoolValue.Of(test(text.Text));
    });

    private static Builtin IsAll(string name, Func<Rune, bool> test) => Is(name, text => text.Length > 0 && text.EnumerateRunes().All(test));

    private static Builtin[] Asking() =>
    [
        IsAll("isalpha", Rune.IsLetter),
        IsAll("isalnum", rune => Rune.IsLetter(rune) || IsNumeric(rune)),
        IsAll("isdecimal", rune => Rune.GetUnicodeCategory(rune) == UnicodeCategory.DecimalDigitNumber),
        IsAll("isdigit", rune => CharUnicodeInfo.GetDigitValue(rune.ToString(), 0) >= 0),
        IsAll("isnumeric", IsNumeric),
        IsAll("isspace", rune => rune.IsBmp && PythonText.IsSpace((char)rune.Value)),
        Is("isprintable", text => text.EnumerateRunes().All(rune => PythonText.IsPrintable(rune.Value))),
        Is("isascii", text => Ascii.IsValid(text)),
        Is("islower", Casing.IsLower), Is("isupper", Casing.IsUpper), Is("istitle", Casing.IsTitle),
        Is("isidentifier", text => text.Length > 0 && (char.IsLetter(text[0]) || text[0] == '_') && text.All(c => c == '_' || char.IsLetterOrDigit(c))),
    ];

    private static bool IsNumeric(Rune rune) => Rune.IsNumber(rune) || Rune.GetNumericValue(rune) >= 0;

    private static StringValue Part(RenderContext context, StringValue text, int start, int end)
    {
        context.ChargeText(text.Text.Length);
        return text.With(text.Text[start..end]);
    }

    public static StringValue Stripped(RenderContext context, StringValue text, BoundArguments arguments, Sides sides)
    {
        string? characters = arguments.TextOrNull(0);
        context.ChargeText(text.Text.Length);
        context.Charge(characters?.Length ?? 0);
        return text.With(Strip(text.Text, characters, sides));
    }

    /// <param name="characters">Null for white space.</param>
    private static string Strip(string text, string? characters, Sides sides)
    {
        HashSet<char> wanted = [.. characters ?? ""];
        Func<char, bool> isStripped = characters is null ? PythonText.IsSpace : wanted.Contains;
        int start = 0, end = text.Length;
        if (sides != Sides.Right) while (start < end && isStripped(text[start])) start++;
        if (sides != Sides.Left) while (end > start && isStripped(text[end - 1])) end--;
        return text[start..end];
    }

    public static string Replace(StringValue text, string old, string with, int count, RenderContext context)
    {
        context.ChargeSearch(text.Text.Length, old.Length);
        if (old.Length == 0) return InsertBetween(text, with, count, context);
        List<string> parts = StringSplitting.On(text.Text, old, count);
        context.ChargeText(text.Text.Length + (parts.Count - 1L) * (with.Length - old.Length));
        return parts.Count == 1 ? text.Text : string.Join(with, parts);
    }

    /// <summary>Python replaces the empty string before every character and at the end.</summary>
    private static string InsertBetween(StringValue text, string with, int count, RenderContext context)
    {
        int length = text.Length!.Value, inserted = count < 0 ? length + 1 : Math.Min(count, length + 1);
        context.ChargeText(text.Text.Length + (long)inserted * with.Length);
        StringBuilder result = new();
        for (int i = 0; i <= length; i++)
        {
            if (i < inserted) result.Append(with);
            if (i < length) result.Append(text.CodePoint(i));
        }
        return result.ToString();
    }

    /// <summary>Python centres with the odd space on the left when the width is odd.</summary>
    public static StringValue Pad(StringValue text, int width, string fill, Sides sides, RenderContext context)
    {
        if (new StringValue(fill).Length != 1) throw new TemplateFault("the fill must be one character");
        int missing = width - text.Length!.Value;
        if (missing <= 0) return text;
        context.ChargeText(text.Text.Length + (long)missing * fill.Length);
        int left = sides switch { Sides.Left => missing, Sides.Right => 0, _ => missing / 2 + (missing & width & 1) };
        return text.With(Repeat(fill, left) + text.Text + Repeat(fill, missing - left));
    }

    private static string Repeat(string fill, int count) => fill.Length == 1 ? new string(fill[0], count) : string.Concat(Enumerable.Repeat(fill, count));

    private static StringValue ZeroFill(RenderContext context, StringValue text, BoundArguments arguments)
    {
        int missing = arguments.Integer(0, 0) - text.Length!.Value;
        if (missing <= 0) return text;
        context.ChargeText(text.Text.Length + (long)missing);
        int sign = text.Text.Length > 0 && text.Text[0] is '+' or '-' ? 1 : 0;
        return text.With(text.Text[..sign] + new string('0', missing) + text.Text[sign..]);
    }

    private static StringValue ExpandTabs(RenderContext context, StringValue text, BoundArguments arguments)
    {
        int size = arguments.Integer(0, 8), column = 0;
        context.ChargeText(text.Text.Length + (long)text.Text.AsSpan().Count('\t') * Math.Max(size, 0));
        StringBuilder expanded = new();
        for (int i = 0; i < text.Length!.Value; i++)
        {
            string c = text.CodePoint(i);
            int spaces = c == "\t" ? size <= 0 ? 0 : size - column % size : 0;
            expanded.Append(c == "\t" ? new string(' ', spaces) : c);
            column = c is "\n" or "\r" ? 0 : column + (c == "\t" ? spaces : 1);
        }
        return text.With(expanded.ToString());
    }

    private static StringValue Join(RenderContext context, StringValue separator, BoundArguments arguments)
    {
        List<TemplateValue> items = context.Collect(arguments[0]!);
        long characters = Math.Max(0, items.Count - 1L) * separator.Text.Length;
        foreach (TemplateValue item in items)
            characters += (item as StringValue ?? throw new TemplateFault($"join needs strings, got {item.TypeName}")).Text.Length;
        context.ChargeText(characters);
        return separator.With(string.Join(separator.Text, items.Select(item => separator.IsMarkup ? Html.Escape((StringValue)item, context).Text : item.AsText)));
    }

    /// <summary>The part of the text a search looks at, or null when it starts beyond the end.</summary>
    private static (int Start, int End)? Window(StringValue text, BoundArguments arguments)
    {
        int length = text.Length!.Value;
        int start = arguments.IsNone(1) ? 0 : arguments.Integer(1, 0), end = arguments.IsNone(2) ? length : arguments.Integer(2, length);
        if (start < 0) start = Math.Max(0, start + length);
        end = end < 0 ? Math.Max(0, end + length) : Math.Min(end, length);
        return start > end ? null : (text.Utf16Index(start), text.Utf16Index(end));
    }

    private static BoolValue HasEnd(RenderContext context, StringValue text, BoundArguments arguments, Func<string, string, bool> test)
    {
        List<string> ends = arguments[0] is TupleValue tuple
            ? [.. tuple.Items.Select(item => item.AsText ?? throw new TemplateFault($"expected strings, got {item.TypeName}"))]
            : [arguments.Text(0)];
        if (Window(text, arguments) is not var (start, end)) return BoolValue.False;
        context.ChargeText(end - start);
        string part = text.Text[start..end];
        foreach (string wanted in ends) context.Charge(1 + (Math.Min(part.Length, wanted.Length) >> 4));
        return BoolValue.Of(ends.Exists(wanted => test(part, wanted)));
    }

    private static int IndexOf(RenderContext context, StringValue text, BoundArguments arguments, bool fromEnd)
    {
        string wanted = arguments.Text(0);
        if (Window(text, arguments) is not var (start, end)) return -1;
        context.ChargeSearch(end - start, wanted.Length);
        ReadOnlySpan<char> part = text.Text.AsSpan(start, end - start);
        int found = wanted.Length == 0 ? fromEnd ? part.Length : 0 : fromEnd ? part.LastIndexOf(wanted) : part.IndexOf(wanted);
        return found < 0 ? -1 : text.CodePointIndex(start + found);
    }

    private static IntValue Required(int index) => index >= 0 ? new IntValue(index) : throw new TemplateFault("index: the substring was not found");

    private static IntValue Count(RenderContext context, StringValue text, BoundArguments arguments)
    {
        string wanted = arguments.Text(0);
        if (Window(text, arguments) is not var (start, end)) return new IntValue(0);
        context.ChargeSearch(end - start, wanted.Length);
        return new IntValue(wanted.Length == 0
            ? text.CodePointIndex(end) - text.CodePointIndex(start) + 1
            : text.Text.AsSpan(start, end - start).Count(wanted));
    }

    private static ListValue Split(RenderContext context, StringValue text, BoundArguments arguments,
        Func<string, int, List<string>> onSpace, Func<string, string, int, List<string>> onSeparator)
    {
        int limit = arguments.Integer(1, -1);
        context.ChargeSearch(text.Text.Length, arguments.TextOrNull(0)?.Length ?? 0);
        if (arguments.TextOrNull(0) is not { } separator) return Parts(context, text, onSpace(text.Text, limit));
        if (separator.Length == 0) throw new TemplateFault("split needs a separator that is not empty");
        return Parts(context, text, onSeparator(text.Text, separator, limit));
    }

    private static ListValue Parts(RenderContext context, StringValue text, List<string> parts)
    {
        context.ChargeText(text.Text.Length);
        context.ChargeElements(parts.Count);
        return new ListValue(parts.ConvertAll<TemplateValue>(text.With));
    }

    private static TupleValue Partition(RenderContext context, StringValue text, string separator, Sides from)
    {
        if (separator.Length == 0) throw new TemplateFault("partition needs a separator that is not empty");
        context.ChargeText(text.Text.Length);
        context.ChargeSearch(text.Text.Length, separator.Length);
        int at = from == Sides.Left ? text.Text.IndexOf(separator, StringComparison.Ordinal) : text.Text.LastIndexOf(separator, StringComparison.Ordinal);
        if (at >= 0) return new TupleValue([text.With(text.Text[..at]), text.With(separator), text.With(text.Text[(at + separator.Length)..])]);
        return from == Sides.Left
            ? new TupleValue([text, StringValue.Empty, StringValue.Empty])
            : new TupleValue([StringValue.Empty, StringValue.Empty, text]);
    }
}
