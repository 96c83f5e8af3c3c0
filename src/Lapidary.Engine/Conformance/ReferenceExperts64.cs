using Lapidary.Experts;

namespace Lapidary.Conformance;

/// <summary>
/// The expert layer in float64, written as its definition; shares no code with any backend. What meets a matrix is rounded
/// first as a backend states, so that what is left of its error is arithmetic.
/// </summary>
internal sealed class ReferenceExperts64(ConformanceData data, HiddenPrecision precision)
{
    // [call][pair][i]: products with gate and up, which every activation takes.
    private readonly (double[][] Gate, double[][] Up)[] projections =
        [.. data.Calls.Select(call => (Project(data, precision, call, data.Gate), Project(data, precision, call, data.Up)))];

    /// <summary>[call][t, h]</summary>
    public double[][] Run(ReferenceFormula formula, ActivationForm form) => [.. data.Calls.Select((call, index) => Run(call, index, formula, form))];

    private double[] Run(ConformanceCall call, int index, ReferenceFormula formula, ActivationForm form)
    {
        int h = data.Shape.Hidden, i = data.Shape.Intermediate, k = data.Shape.TopK;
        var output = new double[call.Tokens * h];
        var activated = new double[i];
        for (int pair = 0; pair < call.Ids.Length; pair++)
        {
            double[] gate = projections[index].Gate[pair], up = projections[index].Up[pair];
            for (int n = 0; n < i; n++) activated[n] = form == ActivationForm.Gated ? formula.Gated(gate[n], up[n]) : formula.NonGated!(gate[n]);
            double[] down = Product(precision, data.Down[call.Ids[pair]], activated, h);
            for (int o = 0; o < h; o++) output[pair / k * h + o] += call.Factors[pair] * down[o];
        }
        return output;
    }

    private static double[][] Project(ConformanceData data, HiddenPrecision precision, ConformanceCall call, ConformanceMatrix[] matrices)
    {
        int h = data.Shape.Hidden, k = data.Shape.TopK;
        return [.. call.Ids.Select((expert, pair) =>
            Product(precision, matrices[expert], [.. call.X.Skip(pair / k * h).Take(h).Select(x => (double)x)], data.Shape.Intermediate))];
    }

    /// <param name="x">[columns]</param> <returns>[rows]</returns>
    private static double[] Product(HiddenPrecision precision, ConformanceMatrix matrix, double[] x, int rows)
    {
        double[] rounded = ReferenceRounding.Round(precision, x, matrix.Order);
        var products = new double[rows];
        for (int row = 0; row < rows; row++)
            for (int c = 0; c < x.Length; c++) products[row] += matrix.Values[row * x.Length + c] * rounded[c];
        return products;
    }
}
