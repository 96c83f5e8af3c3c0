using System.Runtime.CompilerServices;

namespace Lapidary;

/// <summary>
/// Elementary functions of float32 lanes, each written once for every width. Coefficients: tools/fit_lane_math.py. The
/// base library's vector functions are calls here, 2.4 times slower.
/// </summary>
public static class LaneMath
{
    /// <summary>2^112: exponent bias 127 of float32 less 15 of half. The product is exact for subnormals too.</summary>
    internal const float HalfRebias = 5.192296858534828e33f;

    /// <summary>1 / (1 + e^-x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sigmoid<T>(T x) where T : struct, ILane<T> => T.Const(1) / (T.Const(1) + T.Exp(T.Const(0) - x));

    /// <summary>e^x: 2^n · e^r with |r| ≤ ln 2 / 2. Infinity above 88.73, subnormal below -87.34, NaN stays.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Exp<T>(T x) where T : struct, IFloatLane<T>
    {
        x = T.Clamp(x, -104, 89.5f);
        T n = T.Round(x * T.Const(1.4426950408889634));
        // ln 2 in two parts, the first short enough that n times it is exact
        T r = T.MultiplyAdd(n, T.Const(-0.693359375), x);
        r = T.MultiplyAdd(n, T.Const(2.12194440054690583e-4), r);
        T p = T.Const(0.00019890992454769409);
        p = T.MultiplyAdd(p, r, T.Const(0.0013933650002447046));
        p = T.MultiplyAdd(p, r, T.Const(0.0083333109227262357));
        p = T.MultiplyAdd(p, r, T.Const(0.04166646492520211));
        p = T.MultiplyAdd(p, r, T.Const(0.16666666681633624));
        p = T.MultiplyAdd(p, r, T.Const(0.50000000134658307));
        p = T.MultiplyAdd(p, r * r, r) + T.Const(1);
        T half = T.Round(n * T.Const(0.5)); // in two steps, since 2^n alone leaves the exponent's range
        return p * T.PowerOfTwo(half) * T.PowerOfTwo(n - half);
    }

    /// <summary>
    /// 2^x for x up to 127, to 3e-7 of it, in a third of the operations of <see cref="Exp"/>: 2^⌊x⌋ · 2^r with 0 ≤ r &lt; 1.
    /// At most 2^-126 below -126, NaN stays.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Exp2<T>(T x) where T : struct, IFloatLane<T>
    {
        T r = T.Fraction(x);
        T p = T.Const(0.0017883687415286204);
        p = T.MultiplyAdd(p, r, T.Const(0.0091993875995428909));
        p = T.MultiplyAdd(p, r, T.Const(0.055657054386182424));
        p = T.MultiplyAdd(p, r, T.Const(0.24020719419078551));
        p = T.MultiplyAdd(p, r, T.Const(0.69314756755796347));
        p = T.MultiplyAdd(p, r, T.Const(1));
        return T.Scale(p, x);
    }

    /// <summary>tanh x: odd polynomial below 0.625, where the other form would cancel; 1 - 2 / (e^2x + 1) above.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Tanh<T>(T x) where T : struct, IFloatLane<T>
    {
        T a = T.Abs(x), z = x * x, t = z - T.Const(0.1953125);
        T p = T.Const(0.0022927449332931348);
        p = T.MultiplyAdd(p, t, T.Const(-0.0061049369328266935));
        p = T.MultiplyAdd(p, t, T.Const(0.016124823952730863));
        p = T.MultiplyAdd(p, t, T.Const(-0.042942988572712004));
        p = T.MultiplyAdd(p, t, T.Const(0.11451446779026817));
        p = T.MultiplyAdd(p, t, T.Const(-0.30919940493004117));
        T small = T.MultiplyAdd(p * z, x, x);
        T large = T.CopySign(T.Const(1) - T.Const(2) / (Exp(a + a) + T.Const(1)), x);
        return T.SelectLess(a, T.Const(0.625), small, large);
    }

    /// <summary>erf x: odd polynomial below 0.9375; 1 - e^-P(x) above, 1 from 4 on. The tail near ±1 rounds correctly almost everywhere.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Erf<T>(T x) where T : struct, IFloatLane<T>
    {
        T t = T.MultiplyAdd(x, x, T.Const(-0.439453125));
        T p = T.Const(8.2858265738212356e-05);
        p = T.MultiplyAdd(p, t, T.Const(-0.00059382214661996024));
        p = T.MultiplyAdd(p, t, T.Const(0.0036545105663982631));
        p = T.MultiplyAdd(p, t, T.Const(-0.019147356390438311));
        p = T.MultiplyAdd(p, t, T.Const(0.082808895939527019));
        p = T.MultiplyAdd(p, t, T.Const(-0.29089244916764606));
        p = T.MultiplyAdd(p, t, T.Const(0.98278199720942483));
        T small = p * x;

        T a = T.Clamp(T.Abs(x), 0, 4), s = a - T.Const(2.46875);
        T q = T.Const(5.7270434069703018e-08);
        q = T.MultiplyAdd(q, s, T.Const(-1.6162300489543387e-06));
        q = T.MultiplyAdd(q, s, T.Const(1.3411465607407567e-05));
        q = T.MultiplyAdd(q, s, T.Const(-8.0340365324692366e-05));
        q = T.MultiplyAdd(q, s, T.Const(0.00043546070376740078));
        q = T.MultiplyAdd(q, s, T.Const(-0.0022319693864988107));
        q = T.MultiplyAdd(q, s, T.Const(0.011132968905810881));
        q = T.MultiplyAdd(q, s, T.Const(0.94286284454970148));
        q = T.MultiplyAdd(q, s, T.Const(5.2937194672497743));
        q = T.MultiplyAdd(q, s, T.Const(7.6404654430186287));
        T large = T.CopySign(T.Const(1) - Exp(T.Const(0) - q), x);
        return T.SelectLess(a, T.Const(0.9375), small, large);
    }
}
