using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Lapidary;

/// <summary>Eight float32 lanes.</summary>
public readonly unsafe struct V8(Vector256<float> value) : IFloatLane<V8>
{
    public Vector256<float> Value { get; } = value;

    public static int Count => 8;

    public static V8 Zero => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Const(double c) => new(Vector256.Create((float)c));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Broadcast(float value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Load(float* source) => new(Vector256.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(V8 value, float* destination) => value.Value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 LoadBf16(ushort* source) => new((Widen(source) << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 LoadF16(ushort* source)
    {
        Vector256<uint> bits = Widen(source);
        Vector256<float> magnitude = ((bits & Vector256.Create(0x7fffu)) << 13).AsSingle() * Vector256.Create(LaneMath.HalfRebias);
        return new((magnitude.AsUInt32() | ((bits & Vector256.Create(0x8000u)) << 16)).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 operator +(V8 a, V8 b) => new(a.Value + b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 operator -(V8 a, V8 b) => new(a.Value - b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 operator *(V8 a, V8 b) => new(a.Value * b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 operator /(V8 a, V8 b) => new(a.Value / b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 MultiplyAdd(V8 a, V8 b, V8 c) => new(Vector256.MultiplyAddEstimate(a.Value, b.Value, c.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Min(V8 a, V8 b) => new(Vector256.Min(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Max(V8 a, V8 b) => new(Vector256.Max(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 CopySign(V8 a, V8 b) => new(Vector256.CopySign(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Abs(V8 a) => new(Vector256.Abs(a.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Clamp(V8 a, float low, float high) => new(Vector256.MaxNative(Vector256.Create(low), Vector256.MinNative(Vector256.Create(high), a.Value)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Round(V8 a) => new(Vector256.Round(a.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 PowerOfTwo(V8 n) => new(((Vector256.ConvertToInt32(n.Value) + Vector256.Create(127)) << 23).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Fraction(V8 x)
    {
        Vector256<float> finite = Vector256.MaxNative(Vector256.Create(-127f), x.Value);
        return new(finite - Vector256.Floor(finite));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Scale(V8 a, V8 x) => new(a.Value * PowerOfTwo(new(Vector256.Floor(Vector256.MaxNative(Vector256.Create(-127f), x.Value)))).Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Larger(V8 a, V8 b) => new(Vector256.MaxNative(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 SelectLess(V8 a, V8 b, V8 less, V8 otherwise) => new(Vector256.ConditionalSelect(Vector256.LessThan(a.Value, b.Value), less.Value, otherwise.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Exp(V8 a) => LaneMath.Exp(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Tanh(V8 a) => LaneMath.Tanh(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Erf(V8 a) => LaneMath.Erf(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(V8 value) => V4.Sum(new V4(value.Value.GetLower() + value.Value.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxElement(V8 value) => V4.MaxElement(new V4(Vector128.Max(value.Value.GetLower(), value.Value.GetUpper())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreSums(V8 a, V8 b, V8 c, V8 d, float* destination)
        => V4.StoreSums(
            new(a.Value.GetLower() + a.Value.GetUpper()), new(b.Value.GetLower() + b.Value.GetUpper()), new(c.Value.GetLower() + c.Value.GetUpper()),
            new(d.Value.GetLower() + d.Value.GetUpper()), destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 RoundBf16(V8 value)
    {
        Vector256<uint> bits = value.Value.AsUInt32();
        Vector256<float> rounded = ((bits + Vector256.Create(0x7fffu) + ((bits >>> 16) & Vector256.Create(1u))) & Vector256.Create(0xffff0000)).AsSingle();
        return new(Vector256.ConditionalSelect(Vector256.Equals(value.Value, value.Value), rounded, Vector256.Create(float.NaN)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 LoadInt8(sbyte* source) => new(Avx2.IsSupported
        ? Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(source))
        : Vector256.Create(V4.LoadInt8(source).Value, V4.LoadInt8(source + 4).Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreInt8(V8 value, sbyte* destination)
    {
        Vector256<int> codes = Vector256.ConvertToInt32Native(value.Value);
        Vector128<short> half = Vector128.Narrow(codes.GetLower(), codes.GetUpper());
        Unsafe.WriteUnaligned(destination, Vector128.Narrow(half, half).AsInt64().ToScalar());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 ShiftRight(V8 bits, int count) => new((bits.Value.AsUInt32() >> count).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 ShiftLeft(V8 bits, int count) => new((bits.Value.AsUInt32() << count).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 ShiftRightSigned(V8 bits, int count) => new((bits.Value.AsInt32() >> count).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 And(V8 bits, uint mask) => new((bits.Value.AsUInt32() & Vector256.Create(mask)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Or(V8 a, V8 b) => new((a.Value.AsUInt32() | b.Value.AsUInt32()).AsSingle());

    public static bool DotsAnyByte => AvxVnni.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 DotBytes(V8 sums, V8 codes, V8 values)
    {
        if (AvxVnni.IsSupported) return new(AvxVnni.MultiplyWideningAndAdd(sums.Value.AsInt32(), codes.Value.AsByte(), values.Value.AsSByte()).AsSingle());
        if (!Avx2.IsSupported)
            return new(Vector256.Create(
                V4.DotBytes(new(sums.Value.GetLower()), new(codes.Value.GetLower()), new(values.Value.GetLower())).Value,
                V4.DotBytes(new(sums.Value.GetUpper()), new(codes.Value.GetUpper()), new(values.Value.GetUpper())).Value));
        Vector256<short> pairs = Avx2.MultiplyAddAdjacent(codes.Value.AsByte(), values.Value.AsSByte());
        return new((sums.Value.AsInt32() + Avx2.MultiplyAddAdjacent(pairs, Vector256.Create((short)1))).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 AddInt32(V8 a, V8 b) => new((a.Value.AsInt32() + b.Value.AsInt32()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 FromInt32(V8 bits) => new(Vector256.ConvertToSingle(bits.Value.AsInt32()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Lookup(float* table, V8 indices)
    {
        Vector256<int> i = indices.Value.AsInt32();
        return Avx2.IsSupported
            ? new(Avx2.GatherVector256(table, i, sizeof(float)))
            : new(Vector256.Create(V4.Lookup(table, new V4(indices.Value.GetLower())).Value, V4.Lookup(table, new V4(indices.Value.GetUpper())).Value));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V8 Lookup16(float* table, V8 indices)
    {
        if (!Avx2.IsSupported) return Lookup(table, indices);
        Vector256<int> i = indices.Value.AsInt32(); // the permutation looks at the lower three bits
        return new(Vector256.ConditionalSelect(
            Vector256.GreaterThan(i, Vector256.Create(7)).AsSingle(),
            Avx2.PermuteVar8x32(Vector256.Load(table + 8), i), Avx2.PermuteVar8x32(Vector256.Load(table), i)));
    }

    // One instruction that reads memory; lower and upper halves widened apart take five.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Widen(ushort* source)
    {
        Vector128<ushort> half = Vector128.Load(source);
        return Avx2.IsSupported ? Avx2.ConvertToVector256Int32(half).AsUInt32() : Vector256.Create(Vector128.WidenLower(half), Vector128.WidenUpper(half));
    }
}
