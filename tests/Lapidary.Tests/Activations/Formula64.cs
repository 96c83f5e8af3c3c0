namespace Lapidary.Tests.Activations;

/// <summary>
/// The activations in float64, written from their papers and vLLM's sources; shares no code and no table with the product.
/// </summary>
internal static class Formula64
{
    public static double Silu(double x) => x / (1 + Math.Exp(-x));

    public static double Gelu(double x) => 0.5 * x * Erfc(-x / Math.Sqrt(2));

    public static double GeluTanh(double x) => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * Math.Pow(x, 3))));

    public static double QuickGelu(double x) => x / (1 + Math.Exp(-1.702 * x));

    public static double Relu2(double x) => x > 0 ? x * x : 0;

    public static double SwigluOai(double g, double u, double alpha = 1.702, double beta = 1, double limit = 7)
    {
        g = Math.Min(g, limit);
        return g / (1 + Math.Exp(-alpha * g)) * (Math.Clamp(u, -limit, limit) + beta);
    }

    public static double SwigluStep(double g, double u) => Math.Min(Silu(g), 7) * Math.Clamp(u, -7, 7);

    public static double Situ(double g, double u, double beta, double linearBeta)
        => beta * Math.Tanh(g / beta) / (1 + Math.Exp(-g)) * (linearBeta > 0 ? linearBeta * Math.Tanh(u / linearBeta) : u);

    /// <summary>1 - erf by numerical integration of the Gaussian: slow, simple, good to about 1e-13.</summary>
    public static double Erfc(double x)
    {
        if (x < 0) return 2 - Erfc(-x);
        if (x > 27) return 0;
        // erfc(x) = 2/√π · e^(-x²) · ∫₀^∞ e^(-t² - 2xt) dt, by Simpson's rule
        const int Steps = 2000;
        double end = Math.Min(6, 40 / (2 * x + 1e-9)), h = end / Steps, sum = 0;
        for (int i = 0; i <= Steps; i++)
        {
            double t = i * h;
            sum += Math.Exp(-t * t - 2 * x * t) * (i is 0 or Steps ? 1 : i % 2 == 1 ? 4 : 2);
        }
        return 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum * h / 3;
    }
}
