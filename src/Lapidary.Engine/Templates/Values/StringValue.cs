using Lapidary.Templates.Library;
using Lapidary.Templates.Rendering;

namespace Lapidary.Templates.Values;

/// <summary>Python's str. Indices and lengths count code points, as Python does, not UTF-16 units.</summary>
internal sealed class StringValue : TemplateValue
{
    public static readonly StringValue Empty = new("");
    private readonly bool _hasSurrogates;
    private int[]? _starts;
    private int? _hash;

    public StringValue(string text) : this(text, isMarkup: false) { }

    private StringValue(string text, bool isMarkup)
    {
        Text = text;
        IsMarkup = isMarkup;
        _hasSurrogates = text.AsSpan().IndexOfAnyInRange('\ud800', '\udfff') >= 0;
    }

    public string Text { get; }

    /// <summary>True for the result of the escape and safe filters (MarkupSafe's Markup): adding plain text to it escapes that text.</summary>
    public bool IsMarkup { get; }

    public static StringValue Markup(string text) => new(text, isMarkup: true);

    /// <summary>A string of the same kind (plain or markup) with other text.</summary>
    public StringValue With(string text) => new(text, IsMarkup);

    internal override string TypeName => IsMarkup ? "Markup" : "str";

    internal override bool IsTrue => Text.Length > 0;

    internal override int? Length => _hasSurrogates ? Starts().Length - 1 : Text.Length;

    internal override bool IsIterable => true;

    internal override IEnumerator<TemplateValue> Iterator()
    {
        int length = Length!.Value;
        for (int i = 0; i < length; i++) yield return With(CodePoint(i));
    }

    internal override TemplateValue? Item(TemplateValue key, RenderContext context)
    {
        if (key.Integer is not { } index) return null;
        int length = Length!.Value;
        if (index < 0) index += length;
        return index < 0 || index >= length ? null : With(CodePoint((int)index));
    }

    internal override TemplateValue? Attribute(string name) => StringMethods.Find(this, name);

    /// <summary>The code point at this index (0 up to, not including, Length).</summary>
    public string CodePoint(int index) => Substring(index, index + 1);

    /// <summary>Code points start (inclusive) to end (exclusive); 0 ≤ start ≤ end ≤ Length.</summary>
    public string Substring(int start, int end)
        => _hasSurrogates ? Text[Starts()[start]..Starts()[end]] : Text[start..end];

    /// <summary>Index in code points of a position in UTF-16 units.</summary>
    public int CodePointIndex(int utf16)
    {
        if (!_hasSurrogates) return utf16;
        int found = Array.BinarySearch(Starts(), utf16);
        return found < 0 ? ~found : found;
    }

    /// <summary>Position in UTF-16 units of a code point.</summary>
    public int Utf16Index(int codePoint) => _hasSurrogates ? Starts()[codePoint] : codePoint;

    private int[] Starts()
    {
        if (_starts is not null) return _starts;
        List<int> starts = [];
        for (int i = 0; i < Text.Length; i += char.IsSurrogatePair(Text, i) ? 2 : 1) starts.Add(i);
        starts.Add(Text.Length);
        return _starts = [.. starts];
    }

    internal override void AppendRepr(ReprWriter writer)
    {
        if (IsMarkup) writer.Append("Markup(");
        PythonText.AppendQuoted(writer, Text);
        if (IsMarkup) writer.Append(")");
    }

    internal override int Hash() => _hash ??= Text.GetHashCode(StringComparison.Ordinal);
}
