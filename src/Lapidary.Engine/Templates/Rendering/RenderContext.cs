using System.Runtime.CompilerServices;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Rendering;

/// <summary>State of one rendering: its variables, its clock, its budgets, and the line being evaluated.</summary>
internal sealed class RenderContext(
    IReadOnlyDictionary<string, TemplateValue> variables, TemplateLimits limits, TimeProvider clock, CancellationToken cancellation)
{
    private const long CancellationInterval = 4096;
    private long _steps = limits.Steps;
    private long _cancellationAt = limits.Steps - CancellationInterval;
    private long _characters = limits.TotalCharacters;
    private int _depth;

    public TemplateLimits Limits => limits;

    public TimeProvider Clock => clock;

    /// <summary>Line of the template being evaluated, for error messages.</summary>
    public int Line { get; set; }

    /// <summary>A variable of the request, else a global function, else null.</summary>
    public TemplateValue? Resolve(string name)
        => variables.TryGetValue(name, out TemplateValue? value) ? value : Library.Globals.Find(name);

    public void Charge(long steps = 1)
    {
        _steps -= steps;
        if (_steps >= _cancellationAt) return;
        cancellation.ThrowIfCancellationRequested();
        _cancellationAt = _steps - CancellationInterval;
        if (_steps < 0) throw new TemplateFault($"the template took more than {limits.Steps} steps; it seems to loop without end");
    }

    /// <summary>Pays for a string of this many characters, before it is made.</summary>
    public void ChargeText(long characters)
    {
        if (characters > limits.TextCharacters)
            throw new TemplateFault($"a text of {characters} characters is longer than the {limits.TextCharacters} allowed");
        _characters -= characters;
        if (_characters < 0) throw new TemplateFault($"the template made more than {limits.TotalCharacters} characters of text");
        Charge(characters >> 4);
    }

    /// <summary>Pays for a list, tuple or dict of this many elements, before it is made.</summary>
    public void ChargeElements(long elements)
    {
        if (elements > limits.Elements)
            throw new TemplateFault($"a list of {elements} elements is longer than the {limits.Elements} allowed");
        Charge(elements);
    }

    /// <summary>One level deeper into a macro, a recursive loop or a nested value; pair with <see cref="Leave"/>.</summary>
    public void Enter()
    {
        if (++_depth > limits.Depth) throw new TemplateFault($"more than {limits.Depth} calls or values inside each other");
        EnsureStack();
    }

    public void Leave() => _depth--;

    /// <summary>Refuses to go on before the thread's stack ends: a stack overflow cannot be caught.</summary>
    public static void EnsureStack()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack()) throw new TemplateFault("expressions or values are nested too deeply");
    }

    public StringValue Text(string text)
    {
        ChargeText(text.Length);
        return new StringValue(text);
    }

    /// <summary>Collects an iterable, paying for every element.</summary>
    public List<TemplateValue> Collect(TemplateValue iterable)
    {
        List<TemplateValue> items = [];
        IEnumerator<TemplateValue> iterator = iterable.Iterator();
        while (iterator.MoveNext())
        {
            Charge();
            if (items.Count >= limits.Elements) ChargeElements(items.Count + 1L);
            items.Add(iterator.Current);
        }
        return items;
    }
}
