using System.Text;

namespace Lapidary.Templates.Rendering;

/// <summary>Text being written by the template, by a macro or by a filter, within the rendering's budgets.</summary>
internal sealed class OutputBuffer(RenderContext context)
{
    private readonly StringBuilder _text = new();

    public void Append(string text)
    {
        context.ChargeText(text.Length);
        if (_text.Length + text.Length > context.Limits.TextCharacters) context.ChargeText((long)_text.Length + text.Length);
        _text.Append(text);
    }

    public override string ToString() => _text.ToString();
}
