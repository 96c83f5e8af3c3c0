using Lapidary.Verification;
using static System.FormattableString;

namespace Lapidary.Cli.Reports;

/// <summary>The pictures of the reports.</summary>
internal static class Plots
{
    private const int Width = 960, Height = 280, Left = 64, Right = 12, Top = 14, Bottom = 34;

    // More points than pixels say nothing; the largest of each group is drawn.
    private const int MostPoints = 1200;

    public static Svg LayerErrors(IReadOnlyList<LayerError> layers)
    {
        Svg svg = new("Relative error of each layer's output", Width, Height);
        LogAxis axis = Axes(svg, layers.SelectMany(l => (double[])[l.RelativeRms, l.WorstToken]), "layer", layers.Count, layers[0].Layer, layers[^1].Layer);
        Curve(l => l.RelativeRms, "a", "dot", "over all tokens");
        Curve(l => l.WorstToken, "b", "flip", "at the worst token");
        return svg;

        void Curve(Func<LayerError, double> value, string line, string dot, string what)
        {
            svg.Path(layers.Select((l, i) => (X(i, layers.Count), axis.Y(value(l)))), line);
            for (int i = 0; i < layers.Count; i++)
                svg.Circle(X(i, layers.Count), axis.Y(value(layers[i])), 3.5, dot, Invariant($"layer {layers[i].Layer}: {value(layers[i]):0.00e+0} {what}"));
        }
    }

    /// <param name="name">What a token id is called.</param>
    public static Svg Divergence(IReadOnlyList<TokenDivergence> tokens, Func<int, string> name)
    {
        Svg svg = new("Divergence at each token, flips marked", Width, Height);
        LogAxis axis = Axes(svg, tokens.Select(t => t.Kl), "token of the text", tokens.Count, tokens[0].Position, tokens[^1].Position);
        int group = (tokens.Count + MostPoints - 1) / MostPoints;
        for (int start = 0; start < tokens.Count; start += group)
        {
            int largest = Enumerable.Range(start, Math.Min(group, tokens.Count - start)).MaxBy(i => tokens[i].Kl);
            Point(largest, "dot", 2, t => Invariant($"{t.Position}, {name(t.TokenId)}: {t.Kl:0.00e+0} nats"));
        }
        for (int i = 0; i < tokens.Count; i++)
            if (tokens[i].Flipped)
                Point(i, "flip", 4, t => Invariant($"{t.Position}: {name(t.BaseTop)} becomes {name(t.AgainstTop)}, {t.Kl:0.00e+0} nats"));
        return svg;

        void Point(int index, string style, double radius, Func<TokenDivergence, string> title)
            => svg.Circle(X(index, tokens.Count), axis.Y(tokens[index].Kl), radius, style, title(tokens[index]));
    }

    /// <summary>Layers down, experts across; full colour is twice an even share or more.</summary>
    public static Svg Usage(string description, IReadOnlyList<LayerRouting> layers) => HeatMap(
        description, layers.Count, layers[0].Tokens.Count, (layer, expert) =>
        {
            double share = layers[layer].Tokens[expert] / layers[layer].Tokens.Average();
            return ("cell", share / 2, Invariant($"layer {layers[layer].Layer}, expert {expert}: {layers[layer].Tokens[expert]} tokens, {share:0.00} of an even share"));
        });

    /// <summary>As <see cref="Usage"/>, of the change; full colour is the largest.</summary>
    public static Svg UsageChange(string description, RoutingPair routing)
    {
        long largest = Math.Max(1, LargestChange(routing));
        return HeatMap(description, routing.Base.Count, routing.Base[0].Tokens.Count, (layer, expert) =>
        {
            long change = Change(routing, layer, expert);
            return (change > 0 ? "more" : "less", (double)Math.Abs(change) / largest, Invariant($"layer {routing.Base[layer].Layer}, expert {expert}: {change:+0;-0;0} tokens"));
        });
    }

    /// <summary>Most tokens that an expert gained or lost.</summary>
    public static long LargestChange(RoutingPair routing)
        => Enumerable.Range(0, routing.Base.Count).Max(layer => Enumerable.Range(0, routing.Base[layer].Tokens.Count).Max(expert => Math.Abs(Change(routing, layer, expert))));

    private static long Change(RoutingPair routing, int layer, int expert) => routing.Against[layer].Tokens[expert] - routing.Base[layer].Tokens[expert];

    private static Svg HeatMap(string description, int layers, int experts, Func<int, int, (string Style, double Opacity, string Title)> cell)
    {
        double width = (double)(Width - Left - Right) / experts, height = Math.Clamp(width, 8, 22);
        Svg svg = new(description, Width, (int)(Top + layers * height + Bottom));
        for (int layer = 0; layer < layers; layer++)
        {
            if (height > 10 || layer % 4 == 0) svg.Label(Left - 8, Top + (layer + 0.5) * height + 4, Invariant($"{layer}"), "end");
            for (int expert = 0; expert < experts; expert++)
            {
                (string style, double opacity, string title) = cell(layer, expert);
                svg.Rectangle(Left + expert * width, Top + layer * height, width, height, style, Math.Min(1, opacity), title);
            }
        }
        svg.Frame(Left, Top, Width - Left - Right, layers * height);
        for (int expert = 0; expert < experts; expert += Math.Max(1, experts / 16))
            svg.Label(Left + (expert + 0.5) * width, Top + layers * height + 14, Invariant($"{expert}"), "middle");
        return svg.Label((Width + Left) / 2.0, svg.Height - 4, "expert (across), layer (down)", "middle");
    }

    private static LogAxis Axes(Svg svg, IEnumerable<double> values, string name, int count, int first, int last)
    {
        LogAxis axis = new(values, Top, Height - Bottom);
        foreach ((double y, string label) in axis.Ticks()) svg.Line(Left, y, Width - Right, y, "axis").Label(Left - 8, y + 4, label, "end");
        svg.Label(X(0, count), Height - 16, Invariant($"{first}"), "middle");
        if (count > 1) svg.Label(X(count - 1, count), Height - 16, Invariant($"{last}"), "middle");
        svg.Label((Width + Left) / 2.0, Height - 4, name, "middle");
        return axis;
    }

    private static double X(int index, int count) => Left + 8 + (Width - Left - Right - 16) * (count > 1 ? (double)index / (count - 1) : 0.5);
}
