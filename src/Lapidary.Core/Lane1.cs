using System.Runtime.CompilerServices;

namespace Lapidary;

/// <summary>One float32: the tails of vector loops, and all of them where there are no vector instructions.</summary>
public readonly unsafe struct V1(float value) : IFloatLane<V1>
{
    public float Value { get; } = value;

    public static int Count => 1;

    public static V1 Zero => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Const(double c) => new((float)c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Broadcast(float value) => new(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Load(float* source) => new(*source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(V1 value, float* destination) => *destination = value.Value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 LoadBf16(ushort* source) => new(BitConverter.UInt32BitsToSingle((uint)*source << 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 LoadF16(ushort* source) => new((float)BitConverter.UInt16BitsToHalf(*source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 operator +(V1 a, V1 b) => new(a.Value + b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 operator -(V1 a, V1 b) => new(a.Value - b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 operator *(V1 a, V1 b) => new(a.Value * b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 operator /(V1 a, V1 b) => new(a.Value / b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 MultiplyAdd(V1 a, V1 b, V1 c) => new(float.MultiplyAddEstimate(a.Value, b.Value, c.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Min(V1 a, V1 b) => new(MathF.Min(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Max(V1 a, V1 b) => new(MathF.Max(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 CopySign(V1 a, V1 b) => new(MathF.CopySign(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Abs(V1 a) => new(MathF.Abs(a.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Clamp(V1 a, float low, float high) => new(float.MaxNative(low, float.MinNative(high, a.Value)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Round(V1 a) => new(MathF.Round(a.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 PowerOfTwo(V1 n) => new(BitConverter.Int32BitsToSingle(((int)n.Value + 127) << 23));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Fraction(V1 x)
    {
        float finite = float.MaxNative(-127, x.Value);
        return new(finite - MathF.Floor(finite));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Scale(V1 a, V1 x) => new(a.Value * PowerOfTwo(new(MathF.Floor(float.MaxNative(-127, x.Value)))).Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Larger(V1 a, V1 b) => new(float.MaxNative(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 SelectLess(V1 a, V1 b, V1 less, V1 otherwise) => a.Value < b.Value ? less : otherwise;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Exp(V1 a) => LaneMath.Exp(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Tanh(V1 a) => LaneMath.Tanh(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Erf(V1 a) => LaneMath.Erf(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(V1 value) => value.Value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxElement(V1 value) => value.Value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreSums(V1 a, V1 b, V1 c, V1 d, float* destination)
        => (destination[0], destination[1], destination[2], destination[3]) = (a.Value, b.Value, c.Value, d.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 RoundBf16(V1 value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value.Value);
        return float.IsNaN(value.Value) ? new(float.NaN) : new(BitConverter.UInt32BitsToSingle((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 LoadInt8(sbyte* source) => new(*source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreInt8(V1 value, sbyte* destination) => *destination = (sbyte)value.Value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 ShiftRight(V1 bits, int count) => new(BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(bits.Value) >> count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 ShiftLeft(V1 bits, int count) => new(BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(bits.Value) << count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 ShiftRightSigned(V1 bits, int count) => new(BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(bits.Value) >> count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 And(V1 bits, uint mask) => new(BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(bits.Value) & mask));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Or(V1 a, V1 b) => new(BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(a.Value) | BitConverter.SingleToUInt32Bits(b.Value)));

    public static bool DotsAnyByte => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 DotBytes(V1 sums, V1 codes, V1 values)
    {
        int s = BitConverter.SingleToInt32Bits(sums.Value), c = BitConverter.SingleToInt32Bits(codes.Value), v = BitConverter.SingleToInt32Bits(values.Value);
        for (int shift = 24; shift >= 0; shift -= 8) s += ((c << shift) >> 24) * ((v << shift) >> 24);
        return new(BitConverter.Int32BitsToSingle(s));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 AddInt32(V1 a, V1 b)
        => new(BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(a.Value) + BitConverter.SingleToInt32Bits(b.Value)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 FromInt32(V1 bits) => new(BitConverter.SingleToInt32Bits(bits.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Lookup(float* table, V1 indices) => new(table[BitConverter.SingleToInt32Bits(indices.Value)]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V1 Lookup16(float* table, V1 indices) => Lookup(table, indices);
}
