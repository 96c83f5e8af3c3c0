using Lapidary.Experts;

namespace Lapidary.Conformance;

/// <summary>One call of an expert layer.</summary>
/// <param name="X">[t, h]</param> <param name="Ids">[t, k]</param> <param name="Factors">[t, k] routing weights.</param>
internal sealed record ConformanceCall(int Tokens, float[] X, int[] Ids, float[] Factors)
{
    /// <summary>Tokens whose gates all lie in the negative tail of the activation; the others' gates are wide, up to ±5 and more.</summary>
    public static bool IsTail(int call, int token) => (call + token) % 2 == 1;
}

/// <summary>
/// Weights and inputs of one format and shape, the same for every backend and activation. Gates reach 2 to 5 in magnitude:
/// nearer to 0 activations look alike. Every other token drives all gates to about -3.2, where the forms of GELU differ by
/// several percent of themselves, so that a wrong one shows under the bounds of 16- and 8-bit hidden states too.
/// </summary>
internal sealed class ConformanceData
{
    private const double WideGates = 2.2, TailGates = 3.2, Ups = 8, Outputs = 0.4, PushInputs = 0.35;
    private const int PushEvery = 4;
    private readonly double tailInput; // what the pushing columns of a tail token hold

    public ConformanceData(ConformanceFormat format, ConformanceShape shape)
    {
        Format = format;
        Shape = shape;
        Random random = new(Seed($"{format.Name}/{shape.Name}"));
        ConformanceMatrixMaker maker = new(format);
        int h = shape.Hidden, i = shape.Intermediate;
        // Every fourth column of gate is negative, so that an input on those alone pushes all gates the same way. The inputs that
        // other tokens have there sum to 0, so that gates vary by the variance of the weights only: 1/48 there, 1/3 elsewhere.
        double gate = WideGates / Math.Sqrt(h * (PushInputs * PushInputs / 48 + (PushEvery - 1) / 3.0) / PushEvery);
        double up = Ups / Math.Sqrt(h / 3.0), down = Outputs / (WideGates * Ups * Math.Sqrt(i / 3.0));
        Gate = [.. Matrices("gate", i, h, gate, (_, c) => Pushes(c) ? -0.5 - 0.5 * random.NextDouble() : 2 * random.NextDouble() - 1)];
        tailInput = Short(TailGates / -Gate.Average(m => Enumerable.Range(0, h * i).Where(n => Pushes(n % h)).Sum(n => m.Values[n]) / i));
        Up = [.. Matrices("up", i, h, up, (_, _) => 2 * random.NextDouble() - 1)];
        Down = [.. Matrices("down", h, i, down, (_, _) => 2 * random.NextDouble() - 1)];
        Calls = [.. shape.Calls.Select((tokens, call) => Call(call, tokens, random))];

        IEnumerable<ConformanceMatrix> Matrices(string name, int rows, int columns, double magnitude, Func<int, int, double> wish)
            => Enumerable.Range(0, shape.Experts).Select(e => maker.Make($"{name}[{e}]", rows, columns, magnitude, random, wish));
    }

    public ConformanceFormat Format { get; }
    public ConformanceShape Shape { get; }
    public ConformanceMatrix[] Gate { get; }
    public ConformanceMatrix[] Up { get; }
    public ConformanceMatrix[] Down { get; }
    public ConformanceCall[] Calls { get; }

    public ExpertWeights Weights(ActivationForm form) => new(
        [.. Gate.Select(m => m.Stored)], form == ActivationForm.Gated ? [.. Up.Select(m => m.Stored)] : null, [.. Down.Select(m => m.Stored)]);

    private ConformanceCall Call(int call, int tokens, Random random)
    {
        int h = Shape.Hidden, k = Shape.TopK;
        var x = new float[tokens * h];
        List<int> ids = [];
        for (int t = 0; t < tokens; t++)
        {
            (ConformanceCall.IsTail(call, t) ? Tail(h) : Wide(h, random)).CopyTo(x, t * h);
            ids.AddRange(Experts(t, random).Take(k));
        }
        float[] factors = [.. ids.Select(_ => 0.15f + 0.45f * random.NextSingle())];
        return new ConformanceCall(tokens, x, [.. ids], factors);
    }

    private static bool Pushes(int column) => column % PushEvery == 0;

    /// <summary>One value in pushing columns, which 16 and 8 bits hold exactly: what is left of rounding lies behind the activation.</summary>
    private float[] Tail(int h) => [.. Enumerable.Range(0, h).Select(c => Pushes(c) ? (float)tailInput : 0)];

    /// <summary>
    /// Uniform with variance 1; smaller in pushing columns, where what rounding does meets large weights, while what they add
    /// to a gate is little.
    /// </summary>
    private static float[] Wide(int h, Random random)
    {
        double[] x = [.. Enumerable.Range(0, h).Select(_ => Math.Sqrt(3) * (2 * random.NextDouble() - 1))];
        double mean = x.Where((_, c) => Pushes(c)).Average();
        return [.. x.Select((value, c) => (float)(Pushes(c) ? PushInputs * (value - mean) : value))];
    }

    /// <summary>To eight bits of mantissa.</summary>
    private static double Short(double value)
    {
        double unit = Math.Pow(2, Math.Floor(Math.Log2(value)) - 7);
        return Math.Round(value / unit) * unit;
    }

    /// <summary>Expert 0 serves the first two tokens of every call, one of each kind, so that dropping it shows.</summary>
    private int[] Experts(int token, Random random)
    {
        int[] experts = [.. Enumerable.Range(0, Shape.Experts)];
        random.Shuffle(experts);
        if (Shape.Routing == ConformanceRouting.OneBusy || token < 2)
        {
            int at = Array.IndexOf(experts, 0), first = Shape.Routing == ConformanceRouting.OneBusy ? 0 : Math.Min(at, Shape.TopK - 1);
            (experts[first], experts[at]) = (experts[at], experts[first]);
        }
        return experts;
    }

    /// <summary>FNV-1a: the same numbers in every process.</summary>
    private static int Seed(string name) => (int)name.Aggregate(2166136261u, (hash, letter) => (hash ^ letter) * 16777619);
}
