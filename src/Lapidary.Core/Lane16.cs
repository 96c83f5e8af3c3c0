using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Lapidary;

/// <summary>Sixteen float32 lanes.</summary>
public readonly unsafe struct V16(Vector512<float> value) : IFloatLane<V16>
{
    public Vector512<float> Value { get; } = value;

    public static int Count => 16;

    public static V16 Zero => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Const(double c) => new(Vector512.Create((float)c));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Broadcast(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Load(float* source) => new(Vector512.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(V16 value, float* destination) => value.Value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 LoadBf16(ushort* source) => new((Widen(source) << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 LoadF16(ushort* source)
    {
        Vector512<uint> bits = Widen(source);
        Vector512<float> magnitude = ((bits & Vector512.Create(0x7fffu)) << 13).AsSingle() * Vector512.Create(LaneMath.HalfRebias);
        return new((magnitude.AsUInt32() | ((bits & Vector512.Create(0x8000u)) << 16)).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 operator +(V16 a, V16 b) => new(a.Value + b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 operator -(V16 a, V16 b) => new(a.Value - b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 operator *(V16 a, V16 b) => new(a.Value * b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 operator /(V16 a, V16 b) => new(a.Value / b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 MultiplyAdd(V16 a, V16 b, V16 c) => new(Vector512.MultiplyAddEstimate(a.Value, b.Value, c.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Min(V16 a, V16 b) => new(Vector512.Min(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Max(V16 a, V16 b) => new(Vector512.Max(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 CopySign(V16 a, V16 b) => new(Vector512.CopySign(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Abs(V16 a) => new(Vector512.Abs(a.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Clamp(V16 a, float low, float high) => new(Vector512.MaxNative(Vector512.Create(low), Vector512.MinNative(Vector512.Create(high), a.Value)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Round(V16 a) => new(Vector512.Round(a.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 PowerOfTwo(V16 n) => new(((Vector512.ConvertToInt32(n.Value) + Vector512.Create(127)) << 23).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Fraction(V16 x) => Avx512DQ.IsSupported
        ? new(Avx512DQ.Reduce(x.Value, 0b01)) // from the integer below
        : new(Vector512.Create(V8.Fraction(new(x.Value.GetLower())).Value, V8.Fraction(new(x.Value.GetUpper())).Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Scale(V16 a, V16 x) => Avx512F.IsSupported
        ? new(Avx512F.Scale(a.Value, x.Value))
        : new(Vector512.Create(V8.Scale(new(a.Value.GetLower()), new(x.Value.GetLower())).Value, V8.Scale(new(a.Value.GetUpper()), new(x.Value.GetUpper())).Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Larger(V16 a, V16 b) => new(Vector512.MaxNative(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 SelectLess(V16 a, V16 b, V16 less, V16 otherwise) => new(Vector512.ConditionalSelect(Vector512.LessThan(a.Value, b.Value), less.Value, otherwise.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Exp(V16 a) => LaneMath.Exp(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Tanh(V16 a) => LaneMath.Tanh(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Erf(V16 a) => LaneMath.Erf(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(V16 value) => V8.Sum(new V8(value.Value.GetLower() + value.Value.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxElement(V16 value) => V8.MaxElement(new V8(Vector256.Max(value.Value.GetLower(), value.Value.GetUpper())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreSums(V16 a, V16 b, V16 c, V16 d, float* destination)
    {
        if (!Avx512F.IsSupported)
        {
            V8.StoreSums(
                new(a.Value.GetLower() + a.Value.GetUpper()), new(b.Value.GetLower() + b.Value.GetUpper()), new(c.Value.GetLower() + c.Value.GetUpper()),
                new(d.Value.GetLower() + d.Value.GetUpper()), destination);
            return;
        }
        // Halves of a register, then of each half, side by side with the next sum's; then one sum in each 128 bits.
        Vector512<float> ab = Avx512F.Shuffle4x128(a.Value, b.Value, 0b01_00_01_00) + Avx512F.Shuffle4x128(a.Value, b.Value, 0b11_10_11_10);
        Vector512<float> cd = Avx512F.Shuffle4x128(c.Value, d.Value, 0b01_00_01_00) + Avx512F.Shuffle4x128(c.Value, d.Value, 0b11_10_11_10);
        Vector512<float> all = Avx512F.Shuffle4x128(ab, cd, 0b10_00_10_00) + Avx512F.Shuffle4x128(ab, cd, 0b11_01_11_01);
        all += Avx512F.Permute4x32(all, 0b01_00_11_10);
        all += Avx512F.Permute4x32(all, 0b10_11_00_01);
        Vector512.Shuffle(all, Vector512.Create(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12)).GetLower().GetLower().Store(destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 RoundBf16(V16 value)
    {
        Vector512<uint> bits = value.Value.AsUInt32();
        Vector512<float> rounded = ((bits + Vector512.Create(0x7fffu) + ((bits >>> 16) & Vector512.Create(1u))) & Vector512.Create(0xffff0000)).AsSingle();
        return new(Vector512.ConditionalSelect(Vector512.Equals(value.Value, value.Value), rounded, Vector512.Create(float.NaN)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 LoadInt8(sbyte* source) => new(Avx512F.IsSupported
        ? Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load(source)))
        : Vector512.Create(V8.LoadInt8(source).Value, V8.LoadInt8(source + 8).Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreInt8(V16 value, sbyte* destination)
    {
        Vector512<int> codes = Vector512.ConvertToInt32Native(value.Value);
        if (Avx512F.IsSupported)
        {
            Avx512F.ConvertToVector128SByteWithSaturation(codes).Store(destination);
            return;
        }
        Vector256<short> half = Vector256.Narrow(codes.GetLower(), codes.GetUpper());
        Vector128.Narrow(half.GetLower(), half.GetUpper()).Store(destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 ShiftRight(V16 bits, int count) => new((bits.Value.AsUInt32() >> count).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 ShiftLeft(V16 bits, int count) => new((bits.Value.AsUInt32() << count).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 ShiftRightSigned(V16 bits, int count) => new((bits.Value.AsInt32() >> count).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 And(V16 bits, uint mask) => new((bits.Value.AsUInt32() & Vector512.Create(mask)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Or(V16 a, V16 b) => new((a.Value.AsUInt32() | b.Value.AsUInt32()).AsSingle());

    public static bool DotsAnyByte => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 DotBytes(V16 sums, V16 codes, V16 values)
    {
        if (!Avx512BW.IsSupported)
            return new(Vector512.Create(
                V8.DotBytes(new(sums.Value.GetLower()), new(codes.Value.GetLower()), new(values.Value.GetLower())).Value,
                V8.DotBytes(new(sums.Value.GetUpper()), new(codes.Value.GetUpper()), new(values.Value.GetUpper())).Value));
        Vector512<short> pairs = Avx512BW.MultiplyAddAdjacent(codes.Value.AsByte(), values.Value.AsSByte());
        return new((sums.Value.AsInt32() + Avx512BW.MultiplyAddAdjacent(pairs, Vector512.Create((short)1))).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 AddInt32(V16 a, V16 b) => new((a.Value.AsInt32() + b.Value.AsInt32()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 FromInt32(V16 bits) => new(Vector512.ConvertToSingle(bits.Value.AsInt32()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Lookup(float* table, V16 indices)
        => new(Vector512.Create(V8.Lookup(table, new V8(indices.Value.GetLower())).Value, V8.Lookup(table, new V8(indices.Value.GetUpper())).Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V16 Lookup16(float* table, V16 indices)
        => Avx512F.IsSupported ? new(Avx512F.PermuteVar16x32(Vector512.Load(table), indices.Value.AsInt32())) : Lookup(table, indices);

    // One instruction that reads memory; lower and upper halves widened apart take five.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Widen(ushort* source)
    {
        Vector256<ushort> half = Vector256.Load(source);
        return Avx512F.IsSupported ? Avx512F.ConvertToVector512UInt32(half) : Vector512.Create(Vector256.WidenLower(half), Vector256.WidenUpper(half));
    }
}
