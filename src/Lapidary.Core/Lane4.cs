using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Lapidary;

/// <summary>Four float32 lanes.</summary>
public readonly unsafe struct V4(Vector128<float> value) : IFloatLane<V4>
{
    public Vector128<float> Value { get; } = value;

    public static int Count => 4;

    public static V4 Zero => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Const(double c) => new(Vector128.Create((float)c));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Broadcast(float value) => new(Vector128.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Load(float* source) => new(Vector128.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(V4 value, float* destination) => value.Value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 LoadBf16(ushort* source) => new((Widen(source) << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 LoadF16(ushort* source)
    {
        Vector128<uint> bits = Widen(source);
        Vector128<float> magnitude = ((bits & Vector128.Create(0x7fffu)) << 13).AsSingle() * Vector128.Create(LaneMath.HalfRebias);
        return new((magnitude.AsUInt32() | ((bits & Vector128.Create(0x8000u)) << 16)).AsSingle());
    }

    // Not by Vector64, which x64 has no registers for.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Widen(ushort* source)
        => Vector128.WidenLower(Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(source)).AsUInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 operator +(V4 a, V4 b) => new(a.Value + b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 operator -(V4 a, V4 b) => new(a.Value - b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 operator *(V4 a, V4 b) => new(a.Value * b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 operator /(V4 a, V4 b) => new(a.Value / b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 MultiplyAdd(V4 a, V4 b, V4 c) => new(Vector128.MultiplyAddEstimate(a.Value, b.Value, c.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Min(V4 a, V4 b) => new(Vector128.Min(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Max(V4 a, V4 b) => new(Vector128.Max(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 CopySign(V4 a, V4 b) => new(Vector128.CopySign(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Abs(V4 a) => new(Vector128.Abs(a.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Clamp(V4 a, float low, float high) => new(Vector128.MaxNative(Vector128.Create(low), Vector128.MinNative(Vector128.Create(high), a.Value)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Round(V4 a) => new(Vector128.Round(a.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 PowerOfTwo(V4 n) => new(((Vector128.ConvertToInt32(n.Value) + Vector128.Create(127)) << 23).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Fraction(V4 x)
    {
        Vector128<float> finite = Vector128.MaxNative(Vector128.Create(-127f), x.Value);
        return new(finite - Vector128.Floor(finite));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Scale(V4 a, V4 x) => new(a.Value * PowerOfTwo(new(Vector128.Floor(Vector128.MaxNative(Vector128.Create(-127f), x.Value)))).Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Larger(V4 a, V4 b) => new(Vector128.MaxNative(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 SelectLess(V4 a, V4 b, V4 less, V4 otherwise) => new(Vector128.ConditionalSelect(Vector128.LessThan(a.Value, b.Value), less.Value, otherwise.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Exp(V4 a) => LaneMath.Exp(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Tanh(V4 a) => LaneMath.Tanh(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Erf(V4 a) => LaneMath.Erf(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(V4 value) => Vector128.Sum(value.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxElement(V4 value) => MathF.Max(MathF.Max(value.Value[0], value.Value[1]), MathF.Max(value.Value[2], value.Value[3]));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreSums(V4 a, V4 b, V4 c, V4 d, float* destination)
    {
        if (Sse3.IsSupported) Sse3.HorizontalAdd(Sse3.HorizontalAdd(a.Value, b.Value), Sse3.HorizontalAdd(c.Value, d.Value)).Store(destination);
        else Vector128.Create(Sum(a), Sum(b), Sum(c), Sum(d)).Store(destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 RoundBf16(V4 value)
    {
        Vector128<uint> bits = value.Value.AsUInt32();
        Vector128<float> rounded = ((bits + Vector128.Create(0x7fffu) + ((bits >>> 16) & Vector128.Create(1u))) & Vector128.Create(0xffff0000)).AsSingle();
        return new(Vector128.ConditionalSelect(Vector128.Equals(value.Value, value.Value), rounded, Vector128.Create(float.NaN)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 LoadInt8(sbyte* source)
    {
        Vector128<short> wide = Vector128.WidenLower(Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<int>(source)).AsSByte());
        return new(Vector128.ConvertToSingle(Vector128.WidenLower(wide)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreInt8(V4 value, sbyte* destination)
    {
        Vector128<int> codes = Vector128.ConvertToInt32Native(value.Value);
        Vector128<short> half = Vector128.Narrow(codes, codes);
        Unsafe.WriteUnaligned(destination, Vector128.Narrow(half, half).AsInt32().ToScalar());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 ShiftRight(V4 bits, int count) => new((bits.Value.AsUInt32() >> count).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 ShiftLeft(V4 bits, int count) => new((bits.Value.AsUInt32() << count).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 ShiftRightSigned(V4 bits, int count) => new((bits.Value.AsInt32() >> count).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 And(V4 bits, uint mask) => new((bits.Value.AsUInt32() & Vector128.Create(mask)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Or(V4 a, V4 b) => new((a.Value.AsUInt32() | b.Value.AsUInt32()).AsSingle());

    public static bool DotsAnyByte => AvxVnni.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 DotBytes(V4 sums, V4 codes, V4 values)
    {
        Vector128<int> s = sums.Value.AsInt32();
        Vector128<byte> c = codes.Value.AsByte();
        Vector128<sbyte> v = values.Value.AsSByte();
        if (AvxVnni.IsSupported) return new(AvxVnni.MultiplyWideningAndAdd(s, c, v).AsSingle());
        if (Ssse3.IsSupported) return new((s + Sse2.MultiplyAddAdjacent(Ssse3.MultiplyAddAdjacent(c, v), Vector128.Create((short)1))).AsSingle());
        if (Dp.IsSupported) return new(Dp.DotProduct(s, c.AsSByte(), v).AsSingle());
        for (int shift = 24; shift >= 0; shift -= 8) s += ((c.AsInt32() << shift) >> 24) * ((v.AsInt32() << shift) >> 24);
        return new(s.AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 AddInt32(V4 a, V4 b) => new((a.Value.AsInt32() + b.Value.AsInt32()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 FromInt32(V4 bits) => new(Vector128.ConvertToSingle(bits.Value.AsInt32()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Lookup(float* table, V4 indices)
    {
        Vector128<int> i = indices.Value.AsInt32();
        return new(Vector128.Create(table[i[0]], table[i[1]], table[i[2]], table[i[3]]));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V4 Lookup16(float* table, V4 indices) => Lookup(table, indices);
}
