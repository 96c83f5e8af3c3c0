using System.Numerics;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Rendering;

/// <summary>Attributes, items and calls, with Jinja's fallbacks between them.</summary>
internal static class Access
{
    /// <summary>owner.name: the attribute, else the item of that name, else undefined.</summary>
    public static TemplateValue Attribute(TemplateValue owner, StringValue name, RenderContext context)
        => owner.Attribute(name.Text) ?? owner.Item(name, context) ?? UndefinedValue.Element(owner, $"attribute \"{name.Text}\"");

    /// <summary>owner[key]: the item, else the attribute when the key is a string, else undefined.</summary>
    public static TemplateValue Item(TemplateValue owner, TemplateValue key, RenderContext context)
    {
        if (owner.Item(key, context) is { } item) return item;
        if (key is StringValue name) return owner.Attribute(name.Text) ?? UndefinedValue.Element(owner, $"item \"{name.Text}\"");
        return UndefinedValue.Element(owner, $"item {PythonText.Repr(key, context)}");
    }

    public static TemplateValue Call(TemplateValue function, Arguments arguments, RenderContext context)
    {
        context.Charge();
        return function switch
        {
            CallableValue callable => callable.Call(context, arguments),
            UndefinedValue undefined => throw undefined.Fault(),
            _ => throw new TemplateFault($"a value of type {function.TypeName} cannot be called"),
        };
    }
}

/// <summary>value[start:stop:step]</summary>
internal static class Slicing
{
    public static TemplateValue Slice(TemplateValue value, TemplateValue? start, TemplateValue? stop, TemplateValue? step, RenderContext context)
    {
        if (value is UndefinedValue undefined) throw undefined.Fault();
        if (value is not (StringValue or SequenceValue or RangeValue)) throw new TemplateFault($"a value of type {value.TypeName} cannot be sliced");
        int length = value.Length!.Value;
        BigInteger stride = Bound(step) ?? BigInteger.One;
        if (stride.IsZero) throw new TemplateFault("the step of a slice cannot be zero");
        bool forward = stride.Sign > 0;
        int first = Clamp(Bound(start), length, forward, forward ? 0 : length - 1);
        int last = Clamp(Bound(stop), length, forward, forward ? length : -1);
        int count = forward ? last - first : first - last;
        if (count <= 0) (first, count) = (0, 0);
        else count = (int)((count - 1) / BigInteger.Abs(stride)) + 1;
        // One element needs no step; a larger step always fits an int.
        return Take(value, first, count > 1 ? (int)stride : 1, count, context);
    }

    private static BigInteger? Bound(TemplateValue? value) => value switch
    {
        null or NoneValue => null,
        { Integer: { } integer } => integer,
        _ => throw new TemplateFault($"the bounds of a slice must be integers, not {value.TypeName}"),
    };

    private static int Clamp(BigInteger? bound, int length, bool forward, int otherwise)
    {
        if (bound is not { } index) return otherwise;
        if (index < 0) index += length;
        return (int)BigInteger.Clamp(index, forward ? 0 : -1, forward ? length : length - 1);
    }

    private static TemplateValue Take(TemplateValue value, int first, int step, int count, RenderContext context)
    {
        if (value is StringValue text)
        {
            context.ChargeText(count);
            if (step == 1) return text.With(text.Substring(first, first + count));
            return text.With(string.Concat(Enumerable.Range(0, count).Select(i => text.CodePoint(first + i * step))));
        }
        context.ChargeElements(count);
        if (value is RangeValue range)
        {
            long start = range.Start + first * range.Step, stride = range.Step * step;
            return new RangeValue(start, start + count * stride, stride);
        }
        SequenceValue sequence = (SequenceValue)value;
        List<TemplateValue> items = new(count);
        for (int i = 0; i < count; i++) items.Add(sequence.Items[first + i * step]);
        return sequence.With(items);
    }
}
