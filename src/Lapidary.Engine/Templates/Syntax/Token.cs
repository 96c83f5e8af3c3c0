namespace Lapidary.Templates.Syntax;

internal enum TokenKind
{
    EndOfTemplate, Data, VariableBegin, VariableEnd, BlockBegin, BlockEnd,
    Name, String, Integer, Float,
    Add, Subtract, Divide, FloorDivide, Multiply, Modulo, Power, Tilde,
    LeftBracket, RightBracket, LeftParenthesis, RightParenthesis, LeftBrace, RightBrace,
    Equal, NotEqual, Greater, GreaterOrEqual, Less, LessOrEqual,
    Assign, Dot, Colon, Pipe, Comma, Semicolon,
}

/// <param name="Text">The name, the data, the operator, or the literal's text (strings: unescaped).</param>
/// <param name="Literal">The value of a string or number literal.</param>
internal readonly record struct Token(TokenKind Kind, string Text, int Line, TemplateValue? Literal = null)
{
    public bool IsName(string name) => Kind == TokenKind.Name && Text == name;

    public override string ToString() => Kind switch
    {
        TokenKind.EndOfTemplate => "end of template",
        TokenKind.VariableEnd or TokenKind.BlockEnd => "end of tag",
        TokenKind.Data => "text",
        _ => $"\"{Text}\"",
    };
}
