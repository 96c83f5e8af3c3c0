using Lapidary.Experts;

namespace Lapidary.Conformance;

/// <summary>How tokens of a shape are routed.</summary>
internal enum ConformanceRouting
{
    /// <summary>Distinct experts at random, expert 0 among those of the first token.</summary>
    Spread,

    /// <summary>The first choice of every token is expert 0.</summary>
    OneBusy,
}

/// <summary>Extents of an expert layer and the calls made of it.</summary>
/// <param name="Calls">Tokens of each call, in order.</param>
internal sealed record ConformanceShape(
    string Name, int Experts, int TopK, int Hidden, int Intermediate, int[] Calls, ConformanceRouting Routing = ConformanceRouting.Spread)
{
    public static IReadOnlyList<ConformanceShape> All { get; } =
    [
        new("aligned", Experts: 4, TopK: 2, Hidden: 128, Intermediate: 64, [8]),
        new("704", Experts: 2, TopK: 2, Hidden: 64, Intermediate: 704, [4]), // Gemma 4 26B-A4B: 5.5 · 128
        new("odd 22", Experts: 4, TopK: 2, Hidden: 22, Intermediate: 22, [8]),
        new("odd 66", Experts: 3, TopK: 2, Hidden: 66, Intermediate: 66, [7]),
        new("odd 88", Experts: 3, TopK: 2, Hidden: 66, Intermediate: 88, [7]),
        new("1 token", Experts: 8, TopK: 2, Hidden: 64, Intermediate: 48, [1, 1, 1, 1, 1, 1]),
        new("0 tokens", Experts: 3, TopK: 1, Hidden: 48, Intermediate: 33, [4, 0, 5]), // and again after an empty step
        new("17 tokens", Experts: 4, TopK: 3, Hidden: 72, Intermediate: 40, [17]),
        new("all on one", Experts: 4, TopK: 2, Hidden: 64, Intermediate: 40, [9], ConformanceRouting.OneBusy),
        new("one not empty", Experts: 5, TopK: 1, Hidden: 40, Intermediate: 72, [8], ConformanceRouting.OneBusy),
    ];

    public int MostTokens => Calls.Max();

    public ExpertLayerSpec Spec(ConformanceActivation activation, ConformanceFormat format) => new(
        Experts, TopK, Hidden, Intermediate, activation.Activation, activation.Form, format.Weights, HasLora: false);

    public override string ToString() => Name;
}
