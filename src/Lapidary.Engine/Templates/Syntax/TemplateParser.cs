namespace Lapidary.Templates.Syntax;

/// <summary>Statements: the tags of Jinja, of its loopcontrols extension, and transformers' generation tag.</summary>
internal sealed class TemplateParser
{
    private static readonly string[] Unsupported = ["include", "import", "from", "extends", "block", "autoescape"];
    private readonly TokenStream _stream;
    private readonly ExpressionParser _expressions;
    private readonly TargetParser _targets;
    // Loops that break and continue can leave: a macro's body is outside the loops around it.
    private int _loops;

    private TemplateParser(List<Token> tokens, string template)
    {
        _stream = new TokenStream(tokens, template);
        _expressions = new ExpressionParser(_stream);
        _targets = new TargetParser(_stream);
    }

    /// <exception cref="TemplateException">The template is not well formed.</exception>
    public static Body Parse(string source, string template)
    {
        TemplateParser parser = new(Lexer.Tokenize(source, template), template);
        Body body = parser.Statements(openTag: null);
        Token rest = parser._stream.Current;
        return rest.Kind == TokenKind.EndOfTemplate ? body : throw parser._stream.Error($"unexpected {rest}");
    }

    /// <summary>Statements up to one of the end tags; the stream then stands at the end tag's name.</summary>
    private Body Statements(string? openTag, params string[] endTags)
    {
        int line = _stream.Current.Line;
        _stream.Enter();
        List<Statement> statements = [];
        while (_stream.Current.Kind != TokenKind.EndOfTemplate)
        {
            Token token = _stream.Take();
            if (token.Kind == TokenKind.Data) statements.Add(new DataStatement(token.Text, token.Line));
            else if (token.Kind == TokenKind.VariableBegin)
            {
                statements.Add(new OutputStatement([_expressions.Formula(_expressions.Tuple)], token.Line));
                _stream.Expect(TokenKind.VariableEnd, "\"}}\"");
            }
            else
            {
                if (_stream.Current.Kind == TokenKind.Name && endTags.Contains(_stream.Current.Text))
                {
                    _stream.Leave();
                    return new Body(statements);
                }
                statements.Add(Statement());
                _stream.Expect(TokenKind.BlockEnd, "\"%}\"");
            }
        }
        if (openTag is not null) throw _stream.Error($"\"{openTag}\" of line {line} is not closed: expected \"{string.Join("\" or \"", endTags)}\"");
        _stream.Leave();
        return new Body(statements);
    }

    /// <summary>The body of a tag, from the tag's "%}" to the end tag's name, which is taken.</summary>
    private Body Block(string openTag, params string[] endTags) => Block(openTag, out _, endTags);

    private Body Block(string openTag, out string endTag, params string[] endTags)
    {
        _stream.TakeIf(TokenKind.Colon);
        _stream.Expect(TokenKind.BlockEnd, "\"%}\"");
        Body body = Statements(openTag, endTags);
        endTag = _stream.Take().Text;
        return body;
    }

    private Statement Statement()
    {
        Token tag = _stream.Expect(TokenKind.Name, "the name of a tag");
        return tag.Text switch
        {
            "if" => If(tag.Line),
            "for" => For(tag.Line),
            "set" => Set(tag.Line),
            "macro" => Macro(tag.Line),
            "call" => CallBlock(tag.Line),
            "filter" => FilterBlock(tag.Line),
            "with" => With(tag.Line),
            "print" => Print(tag.Line),
            "generation" => new GenerationStatement(new MacroDefinition(null, [], [], OutsideLoops(tag.Text, "endgeneration"), tag.Line), tag.Line),
            "break" => Jump(Flow.Break, tag),
            "continue" => Jump(Flow.Continue, tag),
            _ when Unsupported.Contains(tag.Text) => throw _stream.Error($"the tag \"{tag.Text}\" is not supported: a chat template is a single file", tag.Line),
            _ => throw _stream.Error($"unknown tag \"{tag.Text}\"", tag.Line),
        };
    }

    private JumpStatement Jump(Flow flow, Token tag)
        => _loops > 0 ? new JumpStatement(flow, tag.Line) : throw _stream.Error($"\"{tag.Text}\" stands outside a loop", tag.Line);

    private IfStatement If(int line)
    {
        List<(Formula, Body)> branches = [];
        Body otherwise = Body.Empty;
        string end;
        do
        {
            Formula test = _expressions.Formula(_expressions.TupleWithoutCondition);
            branches.Add((test, Block("if", out end, "elif", "else", "endif")));
        }
        while (end == "elif");
        if (end == "else") otherwise = Block("if", "endif");
        return new IfStatement([.. branches], otherwise, line);
    }

    private ForStatement For(int line)
    {
        Target target = _targets.ForTarget();
        _stream.ExpectName("in");
        Formula values = _expressions.Formula(_expressions.TupleWithoutCondition);
        Formula? test = _stream.TakeIfName("if") ? _expressions.Formula() : null;
        LoopKind kind = _stream.TakeIfName("recursive") ? LoopKind.Recursive : LoopKind.Plain;
        int loops = _loops;
        _targets.Loops++;
        _loops++;
        Body body = Block("for", out string end, "endfor", "else");
        // The "else" of a recursive loop runs in the loop's own function, outside any other loop.
        _loops = kind == LoopKind.Recursive ? 0 : loops;
        Body? otherwise = end == "else" ? Block("for", "endfor") : null;
        _loops = loops;
        _targets.Loops--;
        return new ForStatement(target, values, test, body, otherwise, kind, line);
    }

    private Statement Set(int line)
    {
        Target target = _targets.SetTarget();
        if (_stream.TakeIf(TokenKind.Assign)) return new SetStatement(target, _expressions.Formula(_expressions.Tuple), line);
        Formula? filter = _stream.Current.Kind == TokenKind.Pipe ? _expressions.Formula(_expressions.FilterChain) : null;
        return new SetBlockStatement(target, filter, Block("set", "endset"), line);
    }

    private MacroStatement Macro(int line)
    {
        string name = _targets.Name();
        var (parameters, defaults) = Signature();
        return new MacroStatement(new MacroDefinition(name, parameters, defaults, OutsideLoops("macro", "endmacro"), line), line);
    }

    private CallBlockStatement CallBlock(int line)
    {
        var (parameters, defaults) = _stream.Current.Kind == TokenKind.LeftParenthesis ? Signature() : ([], []);
        Formula call = _expressions.Formula();
        if (call.Root is not CallExpression) throw _stream.Error("\"call\" needs a call", line);
        return new CallBlockStatement(call, new MacroDefinition(null, parameters, defaults, OutsideLoops("call", "endcall"), line), line);
    }

    private Body OutsideLoops(string openTag, string endTag)
    {
        int loops = _loops;
        _loops = 0;
        Body body = Block(openTag, endTag);
        _loops = loops;
        return body;
    }

    private (string[] Parameters, Formula[] Defaults) Signature()
    {
        List<string> parameters = [];
        HashSet<string> names = [];
        List<Formula> defaults = [];
        _stream.Expect(TokenKind.LeftParenthesis, "\"(\"");
        while (_stream.Current.Kind != TokenKind.RightParenthesis)
        {
            if (parameters.Count > 0) _stream.Expect(TokenKind.Comma, "\",\"");
            string name = _targets.Name();
            if (!names.Add(name)) throw _stream.Error($"the parameter \"{name}\" is repeated");
            if (_stream.TakeIf(TokenKind.Assign)) defaults.Add(_expressions.Formula());
            else if (defaults.Count > 0) throw _stream.Error($"the parameter \"{name}\" without a default stands after one with a default");
            parameters.Add(name);
        }
        _stream.Take();
        return ([.. parameters], [.. defaults]);
    }

    private FilterBlockStatement FilterBlock(int line)
    {
        Formula filter = _expressions.Formula(_expressions.FilterChain);
        return new FilterBlockStatement(filter, Block("filter", "endfilter"), line);
    }

    private WithStatement With(int line)
    {
        List<(Target, Formula)> assignments = [];
        while (_stream.Current.Kind != TokenKind.BlockEnd)
        {
            if (assignments.Count > 0) _stream.Expect(TokenKind.Comma, "\",\"");
            Target target = _targets.WithTarget();
            _stream.Expect(TokenKind.Assign, "\"=\"");
            assignments.Add((target, _expressions.Formula()));
        }
        return new WithStatement([.. assignments], Block("with", "endwith"), line);
    }

    private OutputStatement Print(int line)
    {
        List<Formula> values = [];
        while (_stream.Current.Kind != TokenKind.BlockEnd)
        {
            if (values.Count > 0) _stream.Expect(TokenKind.Comma, "\",\"");
            values.Add(_expressions.Formula());
        }
        return new OutputStatement([.. values], line);
    }
}
