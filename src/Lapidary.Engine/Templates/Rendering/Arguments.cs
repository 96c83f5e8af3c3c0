using Lapidary.Templates.Values;

namespace Lapidary.Templates.Rendering;

/// <summary>The evaluated arguments of a call: positional ones, then named ones in the order written.</summary>
internal sealed record Arguments(IReadOnlyList<TemplateValue> Positional, IReadOnlyList<KeyValuePair<string, TemplateValue>> Named)
{
    public static readonly Arguments None = new([], []);

    public static Arguments Of(params TemplateValue[] positional) => new(positional, []);

    public TemplateValue? NamedOrNull(string name)
    {
        foreach (var (key, value) in Named)
            if (key == name) return value;
        return null;
    }

    /// <summary>The same call without its first positional arguments.</summary>
    public Arguments Skip(int count) => this with { Positional = [.. Positional.Skip(count)] };
}

/// <summary>Arguments laid out by parameter; null where the caller gave none.</summary>
internal readonly struct BoundArguments(TemplateValue?[] values, Arguments call)
{
    public TemplateValue? this[int index] => values[index];

    /// <summary>The call as it was written, for functions that take any number of arguments.</summary>
    public Arguments Call => call;

    public bool IsTrue(int index) => values[index] is { IsTrue: true };

    /// <summary>A flag that Python reads as an integer: None and texts are refused.</summary>
    public bool Flag(int index) => values[index] switch
    {
        null => false,
        { Integer: { } integer } => !integer.IsZero,
        UndefinedValue undefined => throw undefined.Fault(),
        var other => throw new TemplateFault($"expected true or false, got {other.TypeName}"),
    };

    public bool IsNone(int index) => values[index] is null or NoneValue;

    /// <summary>A string argument, or null when it was not given or is None.</summary>
    public string? TextOrNull(int index) => values[index] switch
    {
        null or NoneValue => null,
        StringValue text => text.Text,
        var other => throw new TemplateFault($"expected a string, got {other.TypeName}"),
    };

    public string Text(int index) => TextOrNull(index) ?? throw new TemplateFault("expected a string, got None");

    /// <summary>An integer argument, limited to ±2^31 because it counts characters or elements.</summary>
    public int Integer(int index, int otherwise) => values[index] switch
    {
        null => otherwise,
        { Integer: { } integer } => (int)System.Numerics.BigInteger.Clamp(integer, int.MinValue + 1, int.MaxValue),
        UndefinedValue undefined => throw undefined.Fault(),
        var other => throw new TemplateFault($"expected an integer, got {other.TypeName}"),
    };
}

/// <summary>A filter, test, method or function implemented here: subject is what stands left of the bar, the dot or "is".</summary>
internal delegate TemplateValue Operation(RenderContext context, TemplateValue subject, BoundArguments arguments);

/// <summary>
/// An operation with its parameters. A parameter name ending in "?" may be left out. Methods of Python's own types mostly
/// take positional arguments only; <see cref="AnyArguments"/> leaves the reading to the operation.
/// </summary>
internal sealed record Builtin(string Name, string[] Parameters, Operation Body)
{
    public bool PositionalOnly { get; init; }

    public bool AnyArguments { get; init; }

    public TemplateValue Invoke(RenderContext context, TemplateValue subject, Arguments call)
        => Body(context, subject, new BoundArguments(AnyArguments ? [] : Bind(call), call));

    private TemplateValue?[] Bind(Arguments call)
    {
        if (call.Positional.Count > Parameters.Length)
            throw new TemplateFault($"{Name} takes at most {Parameters.Length} arguments, got {call.Positional.Count}");
        var values = new TemplateValue?[Parameters.Length];
        for (int i = 0; i < call.Positional.Count; i++) values[i] = call.Positional[i];
        foreach (var (name, value) in call.Named)
        {
            int index = PositionalOnly ? -1 : Array.FindIndex(Parameters, p => p.AsSpan().TrimEnd('?').SequenceEqual(name));
            if (index < 0) throw new TemplateFault($"{Name} has no argument named \"{name}\"");
            if (values[index] is not null) throw new TemplateFault($"{Name} got two values for \"{name}\"");
            values[index] = value;
        }
        for (int i = 0; i < values.Length; i++)
            if (values[i] is null && !Parameters[i].EndsWith('?'))
                throw new TemplateFault($"{Name} needs an argument \"{Parameters[i]}\"");
        return values;
    }
}
