namespace Lapidary.Templates.Syntax;

/// <summary>Expressions, in the precedence Jinja gives them: if, or, and, not, comparisons, + -, ~, * / // %, **, unary, postfix.</summary>
internal sealed class ExpressionParser(TokenStream stream)
{
    private readonly PrimaryParser _primary = new(stream);

    /// <summary>Parses with <paramref name="parse"/> and collects the names, filters and tests inside.</summary>
    public Formula Formula(Func<Expression> parse)
    {
        _primary.Start(this);
        Expression root = parse();
        return new Formula(root, [.. _primary.Names], [.. _primary.Uses]);
    }

    public Formula Formula() => Formula(Expression);

    /// <summary>Expressions with commas between them, which make a tuple.</summary>
    public Expression Tuple() => _primary.Tuple(Expression, TupleEnd.Tag);

    /// <summary>The same where an inline "if" would be read as part of the statement.</summary>
    public Expression TupleWithoutCondition() => _primary.Tuple(Or, TupleEnd.Tag);

    /// <summary>A "| filter" chain without its subject.</summary>
    public Expression FilterChain() => _primary.FilterChain(null);

    public Expression Expression()
    {
        stream.Enter();
        int line = stream.Current.Line;
        int firstUse = _primary.Uses.Count;
        Expression value = Or();
        bool isConditional = stream.Current.IsName("if");
        while (stream.TakeIfName("if"))
        {
            Expression test = Or();
            Expression? otherwise = stream.TakeIfName("else") ? Expression() : null;
            value = new ConditionalExpression(test, value, otherwise, line);
        }
        if (isConditional)
            for (int i = firstUse; i < _primary.Uses.Count; i++) _primary.Uses[i].IsConditional = true;
        stream.Leave();
        return value;
    }

    public Expression Or()
    {
        int line = stream.Current.Line;
        Expression left = And();
        while (stream.TakeIfName("or")) left = new OrExpression(left, And(), line);
        return left;
    }

    private Expression And()
    {
        int line = stream.Current.Line;
        Expression left = Not();
        while (stream.TakeIfName("and")) left = new AndExpression(left, Not(), line);
        return left;
    }

    private Expression Not()
    {
        if (!stream.Current.IsName("not")) return Comparison();
        stream.Enter();
        int line = stream.Take().Line;
        Expression operand = new NotExpression(Not(), line);
        stream.Leave();
        return operand;
    }

    private Expression Comparison()
    {
        int line = stream.Current.Line;
        Expression first = Sum();
        if (TakeComparison() is not { } comparison) return first;
        List<(ComparisonOperator, Expression)> rest = [(comparison, Sum())];
        while (TakeComparison() is { } next) rest.Add((next, Sum()));
        return new ComparisonExpression(first, [.. rest], line);
    }

    private ComparisonOperator? TakeComparison()
    {
        ComparisonOperator? comparison = stream.Current.Kind switch
        {
            TokenKind.Equal => ComparisonOperator.Equal,
            TokenKind.NotEqual => ComparisonOperator.NotEqual,
            TokenKind.Less => ComparisonOperator.Less,
            TokenKind.LessOrEqual => ComparisonOperator.LessOrEqual,
            TokenKind.Greater => ComparisonOperator.Greater,
            TokenKind.GreaterOrEqual => ComparisonOperator.GreaterOrEqual,
            TokenKind.Name when stream.Current.Text == "in" => ComparisonOperator.In,
            TokenKind.Name when stream.Current.Text == "not" && stream.Next.IsName("in") => ComparisonOperator.NotIn,
            _ => null,
        };
        if (comparison is null) return null;
        if (comparison == ComparisonOperator.NotIn) stream.Take();
        stream.Take();
        return comparison;
    }

    private Expression Sum()
    {
        Expression left = Concatenation();
        while (stream.Current.Kind is TokenKind.Add or TokenKind.Subtract)
        {
            Token token = stream.Take();
            BinaryOperator kind = token.Kind == TokenKind.Add ? BinaryOperator.Add : BinaryOperator.Subtract;
            left = new BinaryExpression(kind, left, Concatenation(), token.Line);
        }
        return left;
    }

    private Expression Concatenation()
    {
        int line = stream.Current.Line;
        Expression first = Product();
        if (stream.Current.Kind != TokenKind.Tilde) return first;
        List<Expression> items = [first];
        while (stream.TakeIf(TokenKind.Tilde)) items.Add(Product());
        return new ConcatenationExpression([.. items], line);
    }

    private Expression Product()
    {
        Expression left = Power();
        while (true)
        {
            BinaryOperator? kind = stream.Current.Kind switch
            {
                TokenKind.Multiply => BinaryOperator.Multiply,
                TokenKind.Divide => BinaryOperator.Divide,
                TokenKind.FloorDivide => BinaryOperator.FloorDivide,
                TokenKind.Modulo => BinaryOperator.Modulo,
                _ => null,
            };
            if (kind is null) return left;
            int line = stream.Take().Line;
            left = new BinaryExpression(kind.Value, left, Power(), line);
        }
    }

    // Unlike Python's, Jinja's ** groups from the left.
    private Expression Power()
    {
        Expression left = _primary.Unary();
        while (stream.Current.Kind == TokenKind.Power)
        {
            int line = stream.Take().Line;
            left = new BinaryExpression(BinaryOperator.Power, left, _primary.Unary(), line);
        }
        return left;
    }
}

internal enum TupleEnd { Tag, Parenthesis }
