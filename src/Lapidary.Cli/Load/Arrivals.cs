namespace Lapidary.Cli.Load;

/// <summary>When the requests of a load test are sent.</summary>
internal static class Arrivals
{
    /// <summary>
    /// Seconds since the start, without end, the first at 0. Intervals are gamma-distributed with mean 1 / rate and shape
    /// <paramref name="burstiness"/>, as in vLLM: 1 is a Poisson process, less comes in bursts, more comes evenly.
    /// </summary>
    /// <param name="rate">Requests per second.</param>
    public static IEnumerable<double> Of(double rate, double burstiness, Random random)
    {
        double next = 0;
        while (true)
        {
            yield return next;
            next += Gamma(burstiness, random) / (burstiness * rate);
        }
    }

    /// <summary>Marsaglia and Tsang, "A simple method for generating gamma variables" (2000); scale 1.</summary>
    private static double Gamma(double shape, Random random)
    {
        if (shape == 1) return Exponential(random);
        if (shape < 1) return Gamma(shape + 1, random) * Math.Exp(-Exponential(random) / shape);
        double d = shape - 1.0 / 3, c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            double x = Normal(random), root = 1 + c * x, v = root * root * root;
            if (root > 0 && -Exponential(random) < x * x / 2 + d * (1 - v + Math.Log(v))) return d * v;
        }
    }

    private static double Exponential(Random random) => -Math.Log(1 - random.NextDouble());

    private static double Normal(Random random) => Math.Sqrt(2 * Exponential(random)) * Math.Cos(2 * Math.PI * random.NextDouble());
}
