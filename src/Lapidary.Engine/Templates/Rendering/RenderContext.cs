using System.Runtime.CompilerServices;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Rendering;

/// <summary>State of one rendering: its variables, its clock, its budgets, and the line being evaluated.</summary>
internal sealed class RenderContext(
    IReadOnlyDictionary<string, TemplateValue> variables, TemplateLimits limits, TimeProvider clock, CancellationToken cancellation)
{
    private const long CheckInterval = 4096;
    private readonly long _allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
    private long _steps = limits.Steps;
    private long _checkAt = limits.Steps - CheckInterval;
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
        if (_steps >= _checkAt) return;
        cancellation.ThrowIfCancellationRequested();
        _checkAt = _steps - CheckInterval;
        if (GC.GetAllocatedBytesForCurrentThread() - _allocatedBefore > limits.AllocatedBytes)
            throw new TemplateFault($"the template took more than {limits.AllocatedBytes} bytes of memory; it seems to loop without end");
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

    /// <summary>Pays for looking for a text in another. Where both repeat themselves, every position costs a long comparison.</summary>
    public void ChargeSearch(int text, int wanted) => Charge((text >> 4) + ((long)Math.Max(0, text - wanted) * wanted >> 9));

    /// <summary>Pays for an operation on integers that takes time with the product of their lengths.</summary>
    public void ChargeProduct(long bits, long otherBits) => Charge((1 + (bits >> 6)) * (1 + (otherBits >> 6)) >> 3);

    /// <summary>Pays for one more element of a collection that has this many.</summary>
    public void ChargeElement(int count)
    {
        if (count >= limits.Elements) ChargeElements(count + 1L);
        Charge();
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
            ChargeElement(items.Count);
            items.Add(iterator.Current);
        }
        return items;
    }
}
