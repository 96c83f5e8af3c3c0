using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Lapidary.Cpu;

/// <summary>A group of float32 lanes for kernels: the same lines compile to 512-, 256- and 128-bit code.</summary>
internal unsafe interface ISimd<T> where T : struct, ISimd<T>
{
    static abstract int Count { get; }
    static abstract T Zero { get; }
    static abstract T Create(float value);
    static abstract T Load(float* source);
    static abstract void Store(T value, float* destination);

    /// <summary>Widens bfloat16: the upper half of a float32.</summary>
    static abstract T LoadBf16(ushort* source);

    /// <summary>Widens IEEE half by integer operations; .NET 10 has no F16C. Finite values only.</summary>
    static abstract T LoadF16(ushort* source);

    /// <summary>a * b + c, fused where the machine can.</summary>
    static abstract T MultiplyAdd(T a, T b, T c);
    static abstract T operator +(T a, T b);
    static abstract T operator -(T a, T b);
    static abstract T operator *(T a, T b);
    static abstract T Max(T a, T b);

    /// <summary>Sum of the lanes, always in the same order.</summary>
    static abstract float Sum(T value);
    static abstract float MaxElement(T value);
}

internal readonly unsafe struct Simd512(Vector512<float> value) : ISimd<Simd512>
{
    private readonly Vector512<float> v = value;
    public static int Count => 16;
    public static Simd512 Zero => default;
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Create(float value) => new(Vector512.Create(value));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Load(float* source) => new(Vector512.Load(source));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Simd512 value, float* destination) => value.v.Store(destination);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 LoadBf16(ushort* source)
    {
        Vector256<ushort> half = Vector256.Load(source);
        return new((Vector512.Create(Vector256.WidenLower(half), Vector256.WidenUpper(half)) << 16).AsSingle());
    }
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 LoadF16(ushort* source)
    {
        Vector256<ushort> half = Vector256.Load(source);
        Vector512<uint> bits = Vector512.Create(Vector256.WidenLower(half), Vector256.WidenUpper(half));
        Vector512<float> magnitude = ((bits & Vector512.Create(0x7fffu)) << 13).AsSingle() * Vector512.Create(Half16.Rebias);
        return new((magnitude.AsUInt32() | ((bits & Vector512.Create(0x8000u)) << 16)).AsSingle());
    }
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 MultiplyAdd(Simd512 a, Simd512 b, Simd512 c) => new(Vector512.MultiplyAddEstimate(a.v, b.v, c.v));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 operator +(Simd512 a, Simd512 b) => new(a.v + b.v);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 operator -(Simd512 a, Simd512 b) => new(a.v - b.v);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 operator *(Simd512 a, Simd512 b) => new(a.v * b.v);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Max(Simd512 a, Simd512 b) => new(Vector512.Max(a.v, b.v));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Simd512 value) => Simd256.Sum(new Simd256(value.v.GetLower() + value.v.GetUpper()));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxElement(Simd512 value)
        => Simd256.MaxElement(new Simd256(Vector256.Max(value.v.GetLower(), value.v.GetUpper())));
}

internal readonly unsafe struct Simd256(Vector256<float> value) : ISimd<Simd256>
{
    private readonly Vector256<float> v = value;
    public static int Count => 8;
    public static Simd256 Zero => default;
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Create(float value) => new(Vector256.Create(value));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Load(float* source) => new(Vector256.Load(source));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Simd256 value, float* destination) => value.v.Store(destination);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 LoadBf16(ushort* source)
    {
        Vector128<ushort> half = Vector128.Load(source);
        return new((Vector256.Create(Vector128.WidenLower(half), Vector128.WidenUpper(half)) << 16).AsSingle());
    }
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 LoadF16(ushort* source)
    {
        Vector128<ushort> half = Vector128.Load(source);
        Vector256<uint> bits = Vector256.Create(Vector128.WidenLower(half), Vector128.WidenUpper(half));
        Vector256<float> magnitude = ((bits & Vector256.Create(0x7fffu)) << 13).AsSingle() * Vector256.Create(Half16.Rebias);
        return new((magnitude.AsUInt32() | ((bits & Vector256.Create(0x8000u)) << 16)).AsSingle());
    }
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 MultiplyAdd(Simd256 a, Simd256 b, Simd256 c) => new(Vector256.MultiplyAddEstimate(a.v, b.v, c.v));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 operator +(Simd256 a, Simd256 b) => new(a.v + b.v);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 operator -(Simd256 a, Simd256 b) => new(a.v - b.v);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 operator *(Simd256 a, Simd256 b) => new(a.v * b.v);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Max(Simd256 a, Simd256 b) => new(Vector256.Max(a.v, b.v));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Simd256 value) => Simd128.Sum(new Simd128(value.v.GetLower() + value.v.GetUpper()));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxElement(Simd256 value)
        => Simd128.MaxElement(new Simd128(Vector128.Max(value.v.GetLower(), value.v.GetUpper())));
}

internal readonly unsafe struct Simd128(Vector128<float> value) : ISimd<Simd128>
{
    private readonly Vector128<float> v = value;
    public static int Count => 4;
    public static Simd128 Zero => default;
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Create(float value) => new(Vector128.Create(value));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Load(float* source) => new(Vector128.Load(source));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Simd128 value, float* destination) => value.v.Store(destination);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 LoadBf16(ushort* source)
        => new((Vector128.WidenLower(Vector128.CreateScalar(*(ulong*)source).AsUInt16()) << 16).AsSingle());
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 LoadF16(ushort* source)
    {
        Vector128<uint> bits = Vector128.WidenLower(Vector128.CreateScalar(*(ulong*)source).AsUInt16());
        Vector128<float> magnitude = ((bits & Vector128.Create(0x7fffu)) << 13).AsSingle() * Vector128.Create(Half16.Rebias);
        return new((magnitude.AsUInt32() | ((bits & Vector128.Create(0x8000u)) << 16)).AsSingle());
    }
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 MultiplyAdd(Simd128 a, Simd128 b, Simd128 c) => new(Vector128.MultiplyAddEstimate(a.v, b.v, c.v));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 operator +(Simd128 a, Simd128 b) => new(a.v + b.v);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 operator -(Simd128 a, Simd128 b) => new(a.v - b.v);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 operator *(Simd128 a, Simd128 b) => new(a.v * b.v);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Max(Simd128 a, Simd128 b) => new(Vector128.Max(a.v, b.v));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Simd128 value) => Vector128.Sum(value.v);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxElement(Simd128 value)
        => MathF.Max(MathF.Max(value.v[0], value.v[1]), MathF.Max(value.v[2], value.v[3]));
}

internal static class Half16
{
    /// <summary>2^112: exponent bias 127 of float32 less 15 of half. The product is exact for subnormals too.</summary>
    public const float Rebias = 5.192296858534828e33f;
}
