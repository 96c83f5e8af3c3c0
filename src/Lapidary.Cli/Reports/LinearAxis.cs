using static System.FormattableString;

namespace Lapidary.Cli.Reports;

/// <summary>An axis from zero with round steps.</summary>
internal sealed class LinearAxis
{
    private readonly double from, to, step, largest;

    /// <param name="largest">Of the values; the axis ends there.</param>
    /// <param name="from">Where zero lies.</param> <param name="to">Where the largest lies.</param>
    public LinearAxis(double largest, double from, double to)
    {
        (this.from, this.to) = (from, to);
        this.largest = largest > 0 ? largest : 1;
        double rough = this.largest / 5, power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        step = power * (rough / power) switch { <= 1 => 1, <= 2 => 2, <= 5 => 5, _ => 10 };
    }

    public double At(double value) => from + Math.Clamp(value / largest, 0, 1) * (to - from);

    public IEnumerable<(double Place, string Label)> Ticks()
    {
        for (int i = 0; i * step <= largest * 1.0001; i++) yield return (At(i * step), Invariant($"{i * step:0.######}"));
    }
}
