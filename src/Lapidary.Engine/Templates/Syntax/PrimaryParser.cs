using Lapidary.Templates.Values;

namespace Lapidary.Templates.Syntax;

/// <summary>Signs, literals, names and what may follow them: .name, [item], (call), | filter, is test.</summary>
internal sealed class PrimaryParser(TokenStream stream)
{
    private ExpressionParser _expressions = null!;

    /// <summary>Names read since <see cref="Start"/>.</summary>
    public List<NameExpression> Names { get; } = [];

    /// <summary>Filters and tests used since <see cref="Start"/>.</summary>
    public List<NamedUse> Uses { get; } = [];

    public void Start(ExpressionParser expressions)
    {
        _expressions = expressions;
        Names.Clear();
        Uses.Clear();
    }

    public Expression Unary()
    {
        Expression value = Signed();
        while (true)
        {
            if (stream.Current.Kind == TokenKind.Pipe) value = FilterChain(value);
            else if (stream.Current.IsName("is")) value = Test(value);
            // A call of what a filter or test returned.
            else if (stream.Current.Kind == TokenKind.LeftParenthesis) value = Call(value);
            else return value;
        }
    }

    private Expression Signed()
    {
        if (stream.Current.Kind is not (TokenKind.Add or TokenKind.Subtract)) return Postfix(Primary());
        stream.Enter();
        Token sign = stream.Take();
        Expression value = Postfix(new SignExpression(Signed(), sign.Kind == TokenKind.Subtract, sign.Line));
        stream.Leave();
        return value;
    }

    private Expression Primary()
    {
        Token token = stream.Current;
        switch (token.Kind)
        {
            case TokenKind.Name:
                stream.Take();
                return token.Text switch
                {
                    "true" or "True" => new ConstantExpression(BoolValue.True, token.Line),
                    "false" or "False" => new ConstantExpression(BoolValue.False, token.Line),
                    "none" or "None" => new ConstantExpression(NoneValue.Instance, token.Line),
                    _ => Name(token),
                };
            case TokenKind.String:
                return Strings();
            case TokenKind.Integer or TokenKind.Float:
                stream.Take();
                return new ConstantExpression(token.Literal!, token.Line);
            case TokenKind.LeftParenthesis:
                stream.Take();
                Expression inside = Tuple(_expressions.Expression, TupleEnd.Parenthesis);
                stream.Expect(TokenKind.RightParenthesis, "\")\"");
                return inside;
            case TokenKind.LeftBracket:
                return List();
            case TokenKind.LeftBrace:
                return Dict();
            default:
                throw stream.Error($"expected an expression, found {token}");
        }
    }

    private NameExpression Name(Token token)
    {
        NameExpression name = new(token.Text, token.Line);
        Names.Add(name);
        return name;
    }

    /// <summary>Strings that stand side by side are one.</summary>
    private ConstantExpression Strings()
    {
        Token first = stream.Take();
        if (stream.Current.Kind != TokenKind.String) return new ConstantExpression(first.Literal!, first.Line);
        List<string> parts = [first.Text];
        while (stream.Current.Kind == TokenKind.String) parts.Add(stream.Take().Text);
        return new ConstantExpression(new StringValue(string.Concat(parts)), first.Line);
    }

    public Expression Tuple(Func<Expression> item, TupleEnd end)
    {
        int line = stream.Current.Line;
        List<Expression> items = [];
        bool isTuple = false;
        while (stream.Current.Kind is not (TokenKind.VariableEnd or TokenKind.BlockEnd or TokenKind.RightParenthesis))
        {
            items.Add(item());
            if (!stream.TakeIf(TokenKind.Comma)) break;
            isTuple = true;
        }
        if (!isTuple && items.Count == 1) return items[0];
        if (items.Count == 0 && end == TupleEnd.Tag) throw stream.Error($"expected an expression, found {stream.Current}");
        return new TupleExpression([.. items], line);
    }

    private ListExpression List()
    {
        int line = stream.Take().Line;
        List<Expression> items = [];
        while (stream.Current.Kind != TokenKind.RightBracket)
        {
            items.Add(_expressions.Expression());
            if (!stream.TakeIf(TokenKind.Comma)) break;
        }
        stream.Expect(TokenKind.RightBracket, "\"]\"");
        return new ListExpression([.. items], line);
    }

    private DictExpression Dict()
    {
        int line = stream.Take().Line;
        List<KeyValuePair<Expression, Expression>> members = [];
        while (stream.Current.Kind != TokenKind.RightBrace)
        {
            Expression key = _expressions.Expression();
            stream.Expect(TokenKind.Colon, "\":\"");
            members.Add(new(key, _expressions.Expression()));
            if (!stream.TakeIf(TokenKind.Comma)) break;
        }
        stream.Expect(TokenKind.RightBrace, "\"}\"");
        return new DictExpression([.. members], line);
    }

    private Expression Postfix(Expression value)
    {
        while (true)
        {
            switch (stream.Current.Kind)
            {
                case TokenKind.Dot: value = Dotted(value); break;
                case TokenKind.LeftBracket: value = Subscript(value); break;
                case TokenKind.LeftParenthesis: value = Call(value); break;
                default: return value;
            }
        }
    }

    private Expression Dotted(Expression owner)
    {
        int line = stream.Take().Line;
        Token name = stream.Take();
        return name.Kind switch
        {
            TokenKind.Name => new AttributeExpression(owner, name.Text, line),
            TokenKind.Integer => new ItemExpression(owner, new ConstantExpression(name.Literal!, line), line),
            _ => throw stream.Error($"expected a name or a number after \".\", found {name}", name.Line),
        };
    }

    private Expression Subscript(Expression owner)
    {
        int line = stream.Take().Line;
        if (stream.Current.Kind == TokenKind.RightBracket)
        {
            stream.Take();
            return new ItemExpression(owner, new TupleExpression([], line), line);
        }
        Expression? first = stream.Current.Kind == TokenKind.Colon ? null : _expressions.Expression();
        if (stream.Current.Kind == TokenKind.Colon)
        {
            Expression slice = Slice(owner, first, line);
            stream.Expect(TokenKind.RightBracket, "\"]\"");
            return slice;
        }
        List<Expression> keys = [first!];
        while (stream.TakeIf(TokenKind.Comma)) keys.Add(_expressions.Expression());
        stream.Expect(TokenKind.RightBracket, "\"]\"");
        return new ItemExpression(owner, keys.Count == 1 ? keys[0] : new TupleExpression([.. keys], line), line);
    }

    private SliceExpression Slice(Expression owner, Expression? start, int line)
    {
        stream.Take();
        Expression? stop = null, step = null;
        if (stream.Current.Kind is not (TokenKind.Colon or TokenKind.RightBracket)) stop = _expressions.Expression();
        if (stream.TakeIf(TokenKind.Colon) && stream.Current.Kind != TokenKind.RightBracket) step = _expressions.Expression();
        return new SliceExpression(owner, start, stop, step, line);
    }

    private CallExpression Call(Expression function)
    {
        int line = stream.Current.Line;
        return new CallExpression(function, Arguments(), line);
    }

    private CallArguments Arguments()
    {
        int line = stream.Expect(TokenKind.LeftParenthesis, "\"(\"").Line;
        List<Expression> positional = [];
        List<KeyValuePair<string, Expression>> named = [];
        HashSet<string> names = [];
        Expression? list = null, dict = null;
        while (stream.Current.Kind != TokenKind.RightParenthesis)
        {
            if (stream.Current.Kind == TokenKind.Name && stream.Next.Kind == TokenKind.Assign)
            {
                string name = stream.Take().Text;
                stream.Take();
                if (dict is not null || !names.Add(name)) throw stream.Error($"the argument \"{name}\" is repeated or stands after **", line);
                named.Add(new(name, _expressions.Expression()));
            }
            else if (stream.TakeIf(TokenKind.Multiply))
            {
                if (list is not null || dict is not null) throw stream.Error("* may stand once, before **", line);
                list = _expressions.Expression();
            }
            else if (stream.TakeIf(TokenKind.Power))
            {
                if (dict is not null) throw stream.Error("** may stand once", line);
                dict = _expressions.Expression();
            }
            else
            {
                if (list is not null || dict is not null || named.Count > 0) throw stream.Error("a positional argument stands after a named one", line);
                positional.Add(_expressions.Expression());
            }
            if (!stream.TakeIf(TokenKind.Comma)) break;
        }
        stream.Expect(TokenKind.RightParenthesis, "\")\"");
        return positional.Count + named.Count == 0 && list is null && dict is null
            ? CallArguments.None : new CallArguments([.. positional], [.. named], list, dict);
    }

    /// <summary>One or more filters after a bar; in blocks the first stands without one.</summary>
    public Expression FilterChain(Expression? subject)
    {
        if (subject is not null || stream.Current.Kind == TokenKind.Pipe) stream.Take();
        do
        {
            var (name, line) = DottedName();
            CallArguments arguments = stream.Current.Kind == TokenKind.LeftParenthesis ? Arguments() : CallArguments.None;
            FilterExpression filter = new(subject, name, arguments, line);
            Uses.Add(filter);
            subject = filter;
        }
        while (stream.TakeIf(TokenKind.Pipe));
        return subject;
    }

    private (string Name, int Line) DottedName()
    {
        Token first = stream.Expect(TokenKind.Name, "a name");
        List<string> parts = [first.Text];
        while (stream.TakeIf(TokenKind.Dot)) parts.Add(stream.Expect(TokenKind.Name, "a name").Text);
        return (string.Join('.', parts), first.Line);
    }

    private Expression Test(Expression subject)
    {
        int line = stream.Take().Line;
        bool isNegated = stream.TakeIfName("not");
        var (name, _) = DottedName();
        TestExpression test = new(subject, name, TestArguments(), line);
        Uses.Add(test);
        return isNegated ? new NotExpression(test, line) : test;
    }

    /// <summary>A test may take one argument without parentheses: "x is divisibleby 3".</summary>
    private CallArguments TestArguments()
    {
        if (stream.Current.Kind == TokenKind.LeftParenthesis) return Arguments();
        if (stream.Current.Kind is not (TokenKind.Name or TokenKind.String or TokenKind.Integer or TokenKind.Float or TokenKind.LeftBracket or TokenKind.LeftBrace)
            || stream.Current.IsName("else") || stream.Current.IsName("or") || stream.Current.IsName("and"))
            return CallArguments.None;
        if (stream.Current.IsName("is")) throw stream.Error("tests cannot be chained with \"is\"");
        return new CallArguments([Postfix(Primary())], []);
    }
}
