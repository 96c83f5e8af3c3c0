namespace Lapidary;

/// <summary>One double: the oracle a formula's float32 evaluations are judged by.</summary>
public readonly struct F64(double value) : ILane<F64>
{
    public double Value { get; } = value;

    public static F64 Const(double c) => new(c);
    public static F64 operator +(F64 a, F64 b) => new(a.Value + b.Value);
    public static F64 operator -(F64 a, F64 b) => new(a.Value - b.Value);
    public static F64 operator *(F64 a, F64 b) => new(a.Value * b.Value);
    public static F64 operator /(F64 a, F64 b) => new(a.Value / b.Value);
    public static F64 Abs(F64 a) => new(Math.Abs(a.Value));
    public static F64 Min(F64 a, F64 b) => new(Math.Min(a.Value, b.Value));
    public static F64 Max(F64 a, F64 b) => new(Math.Max(a.Value, b.Value));
    public static F64 CopySign(F64 magnitude, F64 sign) => new(Math.CopySign(magnitude.Value, sign.Value));
    public static F64 Exp(F64 a) => new(Math.Exp(a.Value));
    public static F64 Tanh(F64 a) => new(Math.Tanh(a.Value));

    /// <summary>
    /// Below 3 the series 2/√π · e^(-x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!, whose terms are all positive; above, the continued
    /// fraction of erfc. Abramowitz and Stegun 7.1.6 and 7.1.14.
    /// </summary>
    public static F64 Erf(F64 a)
    {
        double x = Math.Abs(a.Value), square = x * x;
        if (double.IsNaN(x)) return a;
        if (x > 6) return new(Math.CopySign(1, a.Value)); // erfc(6) is 2e-17
        double result;
        if (x < 3)
        {
            double term = x, sum = x;
            for (int n = 1; term > sum * 1e-18; n++)
            {
                term *= 2 * square / (2 * n + 1);
                sum += term;
            }
            result = 2 / Math.Sqrt(Math.PI) * Math.Exp(-square) * sum;
        }
        else
        {
            double fraction = x;
            for (int n = 80; n >= 1; n--) fraction = x + n / 2.0 / fraction;
            result = 1 - Math.Exp(-square) / Math.Sqrt(Math.PI) / fraction;
        }
        return new(Math.CopySign(result, a.Value));
    }
}
