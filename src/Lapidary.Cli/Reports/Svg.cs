using System.Globalization;
using System.Text;

namespace Lapidary.Cli.Reports;

/// <summary>A picture under construction: SVG elements, numbers in an invariant form.</summary>
internal sealed class Svg(string description, int width, int height)
{
    private readonly StringBuilder elements = new();

    public int Width => width;
    public int Height => height;

    public Svg Line(double x1, double y1, double x2, double y2, string style)
        => Add($"<line x1=\"{x1:0.##}\" y1=\"{y1:0.##}\" x2=\"{x2:0.##}\" y2=\"{y2:0.##}\" class=\"{style}\"/>");

    /// <param name="anchor">start, middle or end.</param>
    public Svg Label(double x, double y, string text, string anchor)
        => Add($"<text x=\"{x:0.##}\" y=\"{y:0.##}\" text-anchor=\"{anchor}\">{Page.Text(text)}</text>");

    /// <param name="title">Shown when pointed at.</param>
    public Svg Circle(double x, double y, double radius, string style, string title)
        => Add($"<circle cx=\"{x:0.##}\" cy=\"{y:0.##}\" r=\"{radius:0.##}\" class=\"{style}\"><title>{Page.Text(title)}</title></circle>");

    /// <inheritdoc cref="Circle"/>
    public Svg Rectangle(double x, double y, double w, double h, string style, double opacity, string title)
        => Add($"<rect x=\"{x:0.##}\" y=\"{y:0.##}\" width=\"{w:0.##}\" height=\"{h:0.##}\" class=\"{style}\" fill-opacity=\"{opacity:0.###}\"><title>{Page.Text(title)}</title></rect>");

    public Svg Frame(double x, double y, double w, double h)
        => Add($"<rect x=\"{x:0.##}\" y=\"{y:0.##}\" width=\"{w:0.##}\" height=\"{h:0.##}\" class=\"frame\"/>");

    public Svg Path(IEnumerable<(double X, double Y)> points, string style)
        => Add($"<polyline points=\"{string.Join(' ', points.Select(p => FormattableString.Invariant($"{p.X:0.##},{p.Y:0.##}")))}\" class=\"{style}\"/>");

    public override string ToString()
        => $"<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{Page.Text(description)}\">{elements}</svg>";

    private Svg Add(FormattableString element)
    {
        elements.Append(element.ToString(CultureInfo.InvariantCulture));
        return this;
    }
}
