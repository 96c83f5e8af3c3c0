namespace Lapidary;

/// <summary>
/// A value on which a formula is evaluated: one double (the oracle), one, four, eight or sixteen floats, or CUDA text.
/// Formulas written over it are compiled once per lane type by the JIT.
/// </summary>
public interface ILane<T> where T : struct, ILane<T>
{
    static abstract T Const(double c);
    static abstract T operator +(T a, T b);
    static abstract T operator -(T a, T b);
    static abstract T operator *(T a, T b);
    static abstract T operator /(T a, T b);
    static abstract T Abs(T a);

    /// <summary>The smaller; NaN if either is.</summary>
    static abstract T Min(T a, T b);

    /// <summary>The larger; NaN if either is.</summary>
    static abstract T Max(T a, T b);
    static abstract T CopySign(T magnitude, T sign);
    static abstract T Exp(T a);
    static abstract T Tanh(T a);
    static abstract T Erf(T a);
}

/// <summary>
/// Float32 lanes in a register: what formulas and kernels are compiled for. All widths do the same operations in the same
/// order, so an element's result does not depend on the width.
/// </summary>
public unsafe interface IFloatLane<T> : ILane<T> where T : struct, IFloatLane<T>
{
    /// <summary>Number of elements.</summary>
    static abstract int Count { get; }
    static abstract T Zero { get; }
    static abstract T Broadcast(float value);
    static abstract T Load(float* source);
    static abstract void Store(T value, float* destination);

    /// <summary>Widens bfloat16: the upper half of a float32.</summary>
    static abstract T LoadBf16(ushort* source);

    /// <summary>Widens IEEE half by integer operations; .NET 10 has no F16C. Finite values only.</summary>
    static abstract T LoadF16(ushort* source);

    /// <summary>a * b + c, with one rounding where the machine has the instruction.</summary>
    static abstract T MultiplyAdd(T a, T b, T c);

    /// <summary>Within [low, high]; NaN stays NaN.</summary>
    static abstract T Clamp(T a, float low, float high);

    /// <summary>To the nearest integer, ties to even.</summary>
    static abstract T Round(T a);

    /// <summary>2^n for integral n from -126 to 127.</summary>
    static abstract T PowerOfTwo(T n);

    /// <summary>x - ⌊x⌋; 0 of -∞, and NaN stays.</summary>
    static abstract T Fraction(T x);

    /// <summary>a · 2^⌊x⌋ for x up to 127; at most a · 2^-126 for x below -126.</summary>
    static abstract T Scale(T a, T x);

    /// <summary>The larger, and either of the two when one is NaN: one instruction where <see cref="ILane{T}.Max"/> takes several.</summary>
    static abstract T Larger(T a, T b);

    /// <summary>a &lt; b ? less : otherwise, element by element.</summary>
    static abstract T SelectLess(T a, T b, T less, T otherwise);

    /// <summary>Sum of the elements, always in the same order.</summary>
    static abstract float Sum(T value);
    static abstract float MaxElement(T value);

    /// <summary>The four sums, each in the same order always; not that of <see cref="Sum"/>.</summary>
    static abstract void StoreSums(T a, T b, T c, T d, float* destination);

    /// <summary>The nearest bfloat16 of each element, ties to even.</summary>
    static abstract T RoundBf16(T value);

    static abstract T LoadInt8(sbyte* source);

    /// <summary>Integral elements from -128 to 127.</summary>
    static abstract void StoreInt8(T value, sbyte* destination);

    // Elements as 32 bits, e.g. packed codes.

    /// <summary>Zeros come in at the top.</summary>
    static abstract T ShiftRight(T bits, int count);
    static abstract T ShiftLeft(T bits, int count);

    /// <summary>Copies of the top bit come in at the top.</summary>
    static abstract T ShiftRightSigned(T bits, int count);
    static abstract T And(T bits, uint mask);
    static abstract T Or(T a, T b);

    /// <summary>Int32 elements plus the dot product of the four bytes of each, codes from 0 to 127 (or any, where
    /// <see cref="DotsAnyByte"/>) times signed values.</summary>
    static abstract T DotBytes(T sums, T codes, T values);

    /// <summary>Whether codes of <see cref="DotBytes"/> may have their top bit set.</summary>
    static abstract bool DotsAnyByte { get; }

    static abstract T AddInt32(T a, T b);

    /// <summary>The number an int32 stands for.</summary>
    static abstract T FromInt32(T bits);

    /// <summary>table[i] for each int32 element i.</summary>
    static abstract T Lookup(float* table, T indices);

    /// <summary>table[i] for each int32 element i from 0 to 15: one permutation where the machine has it.</summary>
    static abstract T Lookup16(float* table, T indices);
}
