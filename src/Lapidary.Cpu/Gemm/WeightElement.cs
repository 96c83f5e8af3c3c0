using System.Runtime.CompilerServices;

namespace Lapidary.Cpu.Gemm;

/// <summary>How a stored weight element becomes float32: the only place that knows its bits.</summary>
internal unsafe interface IWeightElement<TSelf> where TSelf : unmanaged, IWeightElement<TSelf>
{
    static abstract TLane Load<TLane>(TSelf* source) where TLane : struct, IFloatLane<TLane>;
    static abstract float ToSingle(TSelf value);
}

internal readonly unsafe struct Float32(float value) : IWeightElement<Float32>
{
    private readonly float value = value;
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Load<TLane>(Float32* source) where TLane : struct, IFloatLane<TLane> => TLane.Load((float*)source);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToSingle(Float32 value) => value.value;
}

internal readonly unsafe struct BFloat16(ushort bits) : IWeightElement<BFloat16>
{
    private readonly ushort bits = bits;
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Load<TLane>(BFloat16* source) where TLane : struct, IFloatLane<TLane> => TLane.LoadBf16((ushort*)source);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToSingle(BFloat16 value) => BitConverter.UInt32BitsToSingle((uint)value.bits << 16);

    /// <summary>The nearest bfloat16, ties to even. Not for NaN.</summary>
    public static float Round(float value)
    {
        uint word = BitConverter.SingleToUInt32Bits(value);
        return BitConverter.UInt32BitsToSingle((word + 0x7fff + ((word >> 16) & 1)) & 0xffff0000);
    }
}

internal readonly unsafe struct Float16(ushort bits) : IWeightElement<Float16>
{
    private readonly ushort bits = bits;
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Load<TLane>(Float16* source) where TLane : struct, IFloatLane<TLane> => TLane.LoadF16((ushort*)source);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToSingle(Float16 value) => (float)BitConverter.UInt16BitsToHalf(value.bits);
}
