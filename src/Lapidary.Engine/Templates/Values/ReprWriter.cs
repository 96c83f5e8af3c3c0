using System.Text;
using Lapidary.Templates.Rendering;

namespace Lapidary.Templates.Values;

/// <summary>Collects the text of a value within the rendering's budgets, so that a value containing itself many times cannot explode.</summary>
internal sealed class ReprWriter(RenderContext context)
{
    private readonly StringBuilder _text = new();

    public void Append(string text)
    {
        context.ChargeText(text.Length);
        if (_text.Length + text.Length > context.Limits.TextCharacters) context.ChargeText(_text.Length + text.Length);
        _text.Append(text);
    }

    /// <summary>Pays for writing an integer in decimal, before it is done.</summary>
    public void ChargeDigits(long bits) => context.ChargeProduct(bits, bits);

    public void AppendValue(TemplateValue value)
    {
        context.Charge();
        context.Enter();
        value.AppendRepr(this);
        context.Leave();
    }

    public void AppendItems(IReadOnlyList<TemplateValue> items)
    {
        for (int i = 0; i < items.Count; i++)
        {
            if (i > 0) Append(", ");
            AppendValue(items[i]);
        }
    }

    public override string ToString() => _text.ToString();
}
