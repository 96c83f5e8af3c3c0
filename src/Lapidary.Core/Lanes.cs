namespace Lapidary;

/// <summary>
/// A value on which a formula is evaluated: one double (the oracle), one float, eight floats, sixteen floats,
/// or CUDA text. Formulas written over it are compiled once per lane type by the JIT.
/// </summary>
public interface ILane<T> where T : struct, ILane<T>
{
    static abstract T Const(double c);
    static abstract T operator +(T a, T b);
    static abstract T operator -(T a, T b);
    static abstract T operator *(T a, T b);
    static abstract T operator /(T a, T b);
    static abstract T Abs(T a);
    static abstract T Min(T a, T b);
    static abstract T Max(T a, T b);
    static abstract T CopySign(T magnitude, T sign);
    static abstract T Exp(T a);
    static abstract T Tanh(T a);
    static abstract T Erf(T a);
}

/// <summary>A lane type that reads and writes float32 memory.</summary>
public interface IFloatLane<T> : ILane<T> where T : struct, IFloatLane<T>
{
    /// <summary>Number of float32 elements in one value.</summary>
    static abstract int Count { get; }
    static abstract T Load(ref readonly float source, int index);
    static abstract void Store(T value, ref float destination, int index);
}
