using System.Text.Json.Serialization;

namespace Lapidary.Conformance;

/// <summary>What became of a cell.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CellOutcome>))]
public enum CellOutcome
{
    [JsonStringEnumMemberName("passed")]
    Passed,

    [JsonStringEnumMemberName("failed")]
    Failed,

    /// <summary>The backend says that it cannot serve it, and why.</summary>
    [JsonStringEnumMemberName("refused")]
    Refused,

    /// <summary>The injected fault cannot be put in.</summary>
    [JsonStringEnumMemberName("inapplicable")]
    Inapplicable,
}

/// <summary>One backend on one activation, weight format and shape.</summary>
/// <param name="Activation">Its name; "NAME_no_mul" for the non-gated form.</param>
/// <param name="HiddenStates">What the backend rounds them to.</param>
/// <param name="Error">Relative RMS error over tokens with wide gates; null where nothing ran.</param>
/// <param name="TailError">The same over tokens whose gates lie in the negative tail.</param>
/// <param name="MaxAbs">Largest difference of an output.</param>
/// <param name="Bound">Of <paramref name="Error"/>.</param>
/// <param name="Unrounded">Relative RMS error against float64 that rounds nothing: what rounding hidden states costs, and the
/// rest. The others are against float64 with hidden states rounded as the backend states.</param>
/// <param name="UnroundedBound">Of <paramref name="Unrounded"/>.</param>
/// <param name="Reference">What the float64 activation was taken from.</param>
/// <param name="Reason">Why it was refused, or what failed.</param>
public sealed record ConformanceCell(
    string Backend, string Activation, string Format, string Shape, string HiddenStates, CellOutcome Outcome, double? Error, double? TailError, double? MaxAbs,
    double Bound, double? Unrounded, double UnroundedBound, string Reference, string? Reason);

/// <summary>The whole matrix on one device.</summary>
/// <param name="Fault">Name of the injected fault, or null.</param>
public sealed record ConformanceReport(string Device, string? Fault, IReadOnlyList<ConformanceCell> Cells)
{
    public int CellsTotal => Cells.Count;
    public int CellsRun => Count(CellOutcome.Passed) + Count(CellOutcome.Failed);
    public int CellsFailed => Count(CellOutcome.Failed);
    public int CellsRefused => Count(CellOutcome.Refused);

    /// <summary>Cells that the injected fault cannot be put into.</summary>
    public int CellsInapplicable => Count(CellOutcome.Inapplicable);

    /// <summary>Nothing failed; with a fault, nothing can be ok.</summary>
    public bool Ok => Fault is null && CellsFailed == 0 && CellsRun > 0;

    /// <summary>With a fault: every cell that ran has noticed it.</summary>
    public bool Caught => Fault is not null && CellsRun > 0 && CellsFailed == CellsRun;

    private int Count(CellOutcome outcome) => Cells.Count(cell => cell.Outcome == outcome);
}
