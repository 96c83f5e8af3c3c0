namespace Lapidary.Templates.Syntax;

/// <summary>What stands left of "=" and "in".</summary>
internal sealed class TargetParser(TokenStream stream)
{
    private static readonly string[] Constants = ["true", "false", "none", "True", "False", "None"];

    /// <summary>Loops around the present place; inside one, "loop" may not be assigned.</summary>
    public int Loops { get; set; }

    /// <summary>A name of a macro or parameter.</summary>
    public string Name()
    {
        Token token = stream.Expect(TokenKind.Name, "a name");
        return Constants.Contains(token.Text) ? throw stream.Error($"\"{token.Text}\" cannot be assigned", token.Line) : token.Text;
    }

    public Target SetTarget()
    {
        if (stream.Next.Kind != TokenKind.Dot) return Stored(Tuple());
        Token name = stream.Expect(TokenKind.Name, "a name");
        stream.Take();
        return new NamespaceTarget(name.Text, stream.Expect(TokenKind.Name, "a name").Text, name.Line);
    }

    public Target ForTarget()
    {
        Loops++;
        Target target = Stored(Tuple());
        Loops--;
        return target;
    }

    public Target WithTarget() => Tuple();

    private Target Stored(Target target)
        => Loops > 0 && Names(target).Contains("loop") ? throw stream.Error("\"loop\" cannot be assigned inside a loop", target.Line) : target;

    private static IEnumerable<string> Names(Target target) => target switch
    {
        NameTarget name => [name.Name],
        TupleTarget tuple => tuple.Items.SelectMany(Names),
        _ => [],
    };

    private Target Tuple()
    {
        int line = stream.Current.Line;
        List<Target> items = [];
        bool isTuple = false;
        stream.Enter();
        while (stream.Current.Kind != TokenKind.RightParenthesis)
        {
            items.Add(Single());
            if (!stream.TakeIf(TokenKind.Comma)) break;
            isTuple = true;
        }
        stream.Leave();
        return isTuple || items.Count != 1 ? new TupleTarget([.. items], line) : items[0];
    }

    private Target Single()
    {
        int line = stream.Current.Line;
        if (!stream.TakeIf(TokenKind.LeftParenthesis)) return new NameTarget(Name(), line);
        Target inside = Tuple();
        stream.Expect(TokenKind.RightParenthesis, "\")\"");
        return inside;
    }
}
