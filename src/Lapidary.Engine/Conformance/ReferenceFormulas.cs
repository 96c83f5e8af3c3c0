namespace Lapidary.Conformance;

/// <summary>An activation in float64.</summary>
/// <param name="NonGated">Null where the function has no such form.</param>
/// <param name="Source">Where the formula comes from.</param>
public sealed record ReferenceFormula(Func<double, double, double> Gated, Func<double, double>? NonGated, string Source);

/// <summary>
/// The activations once more, in float64, from their papers and vLLM's sources. Shares no code and no table with the
/// definitions that kernels are made from, so that a wrong formula there is seen here.
/// </summary>
internal static class ReferenceFormulas
{
    public const string Independent = "independent formula", Definition = "own definition in float64";

    /// <summary>The independent formula of that name, or null when nobody has written one.</summary>
    public static ReferenceFormula? Find(string name, ActivationParameters parameters)
    {
        double alpha = parameters.Alpha ?? 1, beta = parameters.Beta ?? 0, limit = parameters.Limit ?? double.PositiveInfinity;
        double linearBeta = parameters.LinearBeta ?? 0;
        return name switch
        {
            "silu" => Product(x => x * Logistic(x)),
            "gelu" => Product(x => x * Normal(x)),
            "gelu_tanh" => Product(x => x / 2 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * Math.Pow(x, 3))))),
            "relu2" => Product(x => Math.Pow(Math.Max(x, 0), 2)),
            "swigluoai" => GatedOnly((g, u) => Oai(g, u, 1.702, 1, 7)),
            "swiglustep" => GatedOnly((g, u) => Math.Min(g * Logistic(g), 7) * Math.Clamp(u, -7, 7)),
            "swigluoai_uninterleave" => GatedOnly((g, u) => Oai(g, u, alpha, beta, limit)),
            "situ" => GatedOnly((g, u) =>
                beta * Math.Tanh(g / beta) * Logistic(g) * (linearBeta > 0 ? linearBeta * Math.Tanh(u / linearBeta) : u)),
            _ => null,
        };
    }

    /// <summary>A definition's own formula, evaluated in float64: judges kernels, not the formula.</summary>
    public static ReferenceFormula OwnDefinition(Activation activation) => activation.Accept(new DoubleEvaluation());

    private static ReferenceFormula Product(Func<double, double> f) => new((g, u) => f(g) * u, f, Independent);

    private static ReferenceFormula GatedOnly(Func<double, double, double> f) => new(f, null, Independent);

    private static double Logistic(double x) => 1 / (1 + Math.Exp(-x));

    private static double Oai(double g, double u, double alpha, double beta, double limit)
    {
        double gate = Math.Min(g, limit);
        return (Math.Clamp(u, -limit, limit) + beta) * gate * Logistic(alpha * gate);
    }

    /// <summary>
    /// Distribution function of the normal distribution. Marsaglia, "Evaluating the Normal Distribution" (2004): the Taylor
    /// series about 0 below 7, the asymptotic series of Mills' ratio beyond.
    /// </summary>
    private static double Normal(double x)
    {
        double density = Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI), size = Math.Abs(x);
        if (size > 7)
        {
            double term = 1 / size, ratio = term;
            for (int n = 1; n < 12; n++) ratio += term *= -(2 * n - 1) / (x * x);
            return x > 0 ? 1 - density * ratio : density * ratio;
        }
        double sum = size, power = size;
        for (int n = 3; power > sum * 1e-20; n += 2) sum += power *= x * x / n;
        // The lower tail is the difference of nearly equal numbers here; 1e-16 of 0.5 against 3e-7 at -5 is good enough.
        return x > 0 ? 0.5 + density * sum : 0.5 - density * sum;
    }

    private sealed class DoubleEvaluation : IActivationVisitor<ReferenceFormula>
    {
        public ReferenceFormula Visit<TActivation>(TActivation activation) where TActivation : struct, IActivation<TActivation> => new(
            (g, u) => TActivation.Combine(activation, new F64(g), new F64(u)).Value,
            TActivation.Info.HasNonGated ? x => TActivation.Apply(activation, new F64(x)).Value : null,
            Definition);
    }
}
