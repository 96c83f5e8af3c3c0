using System.Runtime.CompilerServices;
using Lapidary.Templates.Rendering;

namespace Lapidary.Templates.Syntax;

/// <summary>The tokens of a template with a position, and the parser's guard against deep nesting.</summary>
internal sealed class TokenStream(List<Token> tokens, string template)
{
    /// <summary>Brackets, operators and blocks inside each other; CPython's own parser gives up at 200 brackets.</summary>
    private const int MaxNesting = 200;
    private int _position;
    private int _nesting;

    public Token Current => tokens[_position];

    public Token Next => tokens[Math.Min(_position + 1, tokens.Count - 1)];

    public Token Take()
    {
        Token token = tokens[_position];
        if (_position < tokens.Count - 1) _position++;
        return token;
    }

    public bool TakeIf(TokenKind kind)
    {
        if (Current.Kind != kind) return false;
        Take();
        return true;
    }

    public bool TakeIfName(string name)
    {
        if (!Current.IsName(name)) return false;
        Take();
        return true;
    }

    public Token Expect(TokenKind kind, string what)
        => Current.Kind == kind ? Take() : throw Error($"expected {what}, found {Current}");

    public void ExpectName(string name)
    {
        if (!TakeIfName(name)) throw Error($"expected \"{name}\", found {Current}");
    }

    public void Enter()
    {
        if (++_nesting > MaxNesting || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Error($"blocks and brackets are nested more than {MaxNesting} deep");
    }

    public void Leave() => _nesting--;

    public TemplateException Error(string message) => Error(message, Current.Line);

    public TemplateException Error(string message, int line) => TemplateError.At(template, line, message);
}
