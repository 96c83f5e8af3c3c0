using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Syntax;

/// <summary>
/// Cuts a template into tokens as Jinja's lexer does with trim_blocks and lstrip_blocks on: the newline after a block or
/// comment is dropped, and so is white space between a line's start and a block or comment; "-" strips all white space on
/// its side, "+" keeps it.
/// </summary>
internal sealed class Lexer
{
    public const int MaxCharacters = 1 << 20;
    private readonly string _source;
    private readonly string _template;
    private readonly List<Token> _tokens = [];
    private int _position;
    private int _line = 1;
    private int _linePosition;
    // Whether what came before the coming text ended a line.
    private bool _lineStarting = true;

    private Lexer(string source, string template)
    {
        _template = template;
        if (source.Length > MaxCharacters)
            throw new TemplateException($"{template}: a template of {source.Length} characters is longer than the {MaxCharacters} allowed");
        _source = source.Contains('\r', StringComparison.Ordinal)
            ? source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n')
            : source;
        // keep_trailing_newline is off.
        if (_source.EndsWith('\n')) _source = _source[..^1];
    }

    /// <exception cref="TemplateException">A tag, string or comment is not closed, or a character has no place in a tag.</exception>
    public static List<Token> Tokenize(string source, string template)
    {
        Lexer lexer = new(source, template);
        while (lexer._position < lexer._source.Length) lexer.LexText();
        lexer.Add(TokenKind.EndOfTemplate, "");
        return lexer._tokens;
    }

    private void LexText()
    {
        int tag = NextTag(_position);
        if (tag < 0)
        {
            AddData(_source[_position..]);
            _position = _source.Length;
            return;
        }
        char kind = _source[tag + 1];
        char sign = SignAt(tag + 2);
        AddData(StripBeforeTag(_source[_position..tag], sign, isVariable: kind == '{'));
        int inside = tag + (sign == '\0' ? 2 : 3);
        AdvanceTo(tag);
        if (kind == '#') LexComment(inside);
        else if (kind == '%' && RawEnd(inside) is > 0 and var end) LexRaw(end);
        else LexTag(inside, kind);
    }

    private int NextTag(int from)
    {
        for (int i = from; ; i++)
        {
            i = _source.IndexOf('{', i);
            if (i < 0 || i + 1 >= _source.Length) return -1;
            if (_source[i + 1] is '{' or '%' or '#') return i;
        }
    }

    private char SignAt(int position) => position < _source.Length && _source[position] is '-' or '+' ? _source[position] : '\0';

    private string StripBeforeTag(string text, char sign, bool isVariable)
    {
        if (sign == '-') return PythonText.TrimEnd(text);
        if (sign == '+' || isVariable) return text;
        int lineStart = text.LastIndexOf('\n') + 1;
        if (lineStart == 0 && !_lineStarting) return text;
        for (int i = lineStart; i < text.Length; i++)
            if (!PythonText.IsSpace(text[i])) return text;
        return text[..lineStart];
    }

    private void LexComment(int inside)
    {
        int end = _source.IndexOf("#}", inside, StringComparison.Ordinal);
        if (end < 0) throw Error("a comment is not closed with #}");
        char sign = end > inside ? SignAt(end - 1) : '\0';
        AdvanceTo(end + 2);
        SkipAfterTag(sign);
    }

    /// <summary>Position after "raw %}" when the tag is {% raw %}, else -1.</summary>
    private int RawEnd(int inside)
    {
        int i = SkipSpace(inside);
        if (string.CompareOrdinal(_source, i, "raw", 0, 3) != 0) return -1;
        i = SkipSpace(i + 3);
        if (string.CompareOrdinal(_source, i, "%}", 0, 2) == 0) return i + 2;
        return string.CompareOrdinal(_source, i, "-%}", 0, 3) == 0 ? SkipSpace(i + 3) : -1;
    }

    private void LexRaw(int start)
    {
        _lineStarting = _source[start - 1] == '\n';
        for (int i = start; ; i += 2)
        {
            i = _source.IndexOf("{%", i, StringComparison.Ordinal);
            if (i < 0) throw Error("a raw block is not closed with {% endraw %}");
            char sign = SignAt(i + 2);
            int name = SkipSpace(i + (sign == '\0' ? 2 : 3));
            if (string.CompareOrdinal(_source, name, "endraw", 0, 6) != 0) continue;
            int end = SkipSpace(name + 6);
            char endSign = SignAt(end);
            if (endSign != '\0') end++;
            if (string.CompareOrdinal(_source, end, "%}", 0, 2) != 0) continue;
            AdvanceTo(start);
            AddData(StripBeforeTag(_source[start..i], sign, isVariable: false));
            AdvanceTo(end + 2);
            SkipAfterTag(endSign);
            return;
        }
    }

    private void SkipAfterTag(char sign)
    {
        int end = sign switch
        {
            '-' => SkipSpace(_position),
            '+' => _position,
            _ => _position < _source.Length && _source[_position] == '\n' ? _position + 1 : _position,
        };
        AdvanceTo(end);
        _lineStarting = _source[end - 1] == '\n';
    }

    private int SkipSpace(int position)
    {
        while (position < _source.Length && PythonText.IsSpace(_source[position])) position++;
        return position;
    }

    private void AdvanceTo(int position)
    {
        _position = position;
        _line += _source.AsSpan(_linePosition, position - _linePosition).Count('\n');
        _linePosition = position;
    }

    private void LexTag(int inside, char kind)
    {
        bool isVariable = kind == '{';
        Add(isVariable ? TokenKind.VariableBegin : TokenKind.BlockBegin, isVariable ? "{{" : "{%");
        AdvanceTo(inside);
        TagLexer tag = new(_source, _template, _tokens);
        while (_position < _source.Length)
        {
            if (tag.IsBalanced && AtTagEnd(isVariable, out char sign))
            {
                Add(isVariable ? TokenKind.VariableEnd : TokenKind.BlockEnd, isVariable ? "}}" : "%}");
                AdvanceTo(_position + (sign == '\0' ? 2 : 3));
                // Only blocks and comments swallow the newline behind them.
                if (!isVariable || sign == '-') SkipAfterTag(sign);
                else _lineStarting = false;
                return;
            }
            AdvanceTo(SkipSpace(_position));
            if (_position < _source.Length && !(tag.IsBalanced && AtTagEnd(isVariable, out _))) AdvanceTo(tag.Next(_position, _line));
        }
    }

    private bool AtTagEnd(bool isVariable, out char sign)
    {
        sign = SignAt(_position);
        if (isVariable && sign == '+') return false;
        int end = _position + (sign == '\0' ? 0 : 1);
        return string.CompareOrdinal(_source, end, isVariable ? "}}" : "%}", 0, 2) == 0;
    }

    private void AddData(string text)
    {
        if (text.Length > 0) Add(TokenKind.Data, text);
    }

    private void Add(TokenKind kind, string text) => _tokens.Add(new Token(kind, text, _line));

    private TemplateException Error(string message) => TemplateError.At(_template, _line, message);
}
