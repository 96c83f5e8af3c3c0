namespace Lapidary.Conformance;

/// <summary>The expert layer in float64, written as its definition; shares no code with any backend.</summary>
internal sealed class ReferenceExperts64(ConformanceData data)
{
    // [call][pair][i]: products with gate and up, which every activation takes.
    private readonly (double[][] Gate, double[][] Up)[] projections = [.. data.Calls.Select(call => (Project(data, call, data.Gate), Project(data, call, data.Up)))];

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
            double[] down = data.Down[call.Ids[pair]].Values;
            for (int o = 0; o < h; o++) output[pair / k * h + o] += call.Factors[pair] * Dot(down, o * i, activated, i);
        }
        return output;
    }

    private static double[][] Project(ConformanceData data, ConformanceCall call, ConformanceMatrix[] matrices)
    {
        int h = data.Shape.Hidden, i = data.Shape.Intermediate;
        var x = new double[h];
        return [.. call.Ids.Select((expert, pair) =>
        {
            for (int c = 0; c < h; c++) x[c] = call.X[pair / data.Shape.TopK * h + c];
            return Enumerable.Range(0, i).Select(row => Dot(matrices[expert].Values, row * h, x, h)).ToArray();
        })];
    }

    private static double Dot(double[] weights, int first, double[] x, int n)
    {
        double sum = 0;
        for (int c = 0; c < n; c++) sum += weights[first + c] * x[c];
        return sum;
    }
}
