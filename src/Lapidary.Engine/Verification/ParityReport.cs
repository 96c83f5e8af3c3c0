namespace Lapidary.Verification;

/// <summary>One tensor of one golden prompt.</summary>
/// <param name="Tensor">Name in the golden file, without the ".f32" of twins.</param>
/// <param name="MaxAbs">Largest absolute difference.</param>
/// <param name="MeanAbs">Mean absolute difference.</param>
/// <param name="Tolerance">Bound for <paramref name="Scaled"/>, or 0 where values must be equal.</param>
/// <param name="Scaled">Largest of |difference| / max(1, largest |expected| of the row).</param>
public sealed record ParityRow(string Tensor, double MaxAbs, double MeanAbs, double Tolerance, double Scaled)
{
    public bool Ok => Scaled <= Tolerance;
}

/// <summary>A folder's whole comparison.</summary>
/// <param name="Folder">Where the goldens lie.</param>
/// <param name="Rows">Every compared tensor, in the order of computation.</param>
/// <param name="ArgmaxAgreed">Positions whose most likely token agrees.</param> <param name="Positions">Positions compared.</param>
/// <param name="Problem">Why nothing could be compared; null otherwise.</param>
public sealed record ParityReport(string Folder, IReadOnlyList<ParityRow> Rows, int ArgmaxAgreed, int Positions, string? Problem)
{
    public bool Ok => Problem is null && Rows.Count > 0 && Rows.All(r => r.Ok) && ArgmaxAgreed == Positions;
}
