using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Lapidary.Cpu.Attention;

/// <summary>
/// How a block of 32 columns of a key or value lies in memory: the only place that knows its bits. It is read by halves of 16
/// columns, so that two bfloat16 can share a 32-bit element and widen by one operation each.
/// </summary>
internal unsafe interface IHeadFormat<TSelf> where TSelf : struct, IHeadFormat<TSelf>
{
    /// <summary>Columns <paramref name="j"/> and on, below 16.</summary>
    static abstract TLane Lower<TLane>(byte* block, int j) where TLane : struct, IFloatLane<TLane>;

    /// <summary>Columns 16 + <paramref name="j"/> and on.</summary>
    static abstract TLane Upper<TLane>(byte* block, int j) where TLane : struct, IFloatLane<TLane>;

    /// <summary>Asks for a block that will be read soon; any address will do. .NET has this for x86 only.</summary>
    static virtual void Prefetch(byte* block)
    {
        if (Sse.IsSupported) Sse.Prefetch1(block);
    }

    /// <summary>Rounds 32 values.</summary>
    static abstract void Write<TLane>(float* values, byte* block) where TLane : struct, IFloatLane<TLane>;
}

/// <summary><see cref="KeyValueType.F32"/>.</summary>
internal readonly unsafe struct FloatHead : IHeadFormat<FloatHead>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Lower<TLane>(byte* block, int j) where TLane : struct, IFloatLane<TLane> => TLane.Load((float*)block + j);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Upper<TLane>(byte* block, int j) where TLane : struct, IFloatLane<TLane> => TLane.Load((float*)block + 16 + j);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(byte* block)
    {
        if (!Sse.IsSupported) return;
        Sse.Prefetch1(block);
        Sse.Prefetch1(block + 64);
    }

    public static void Write<TLane>(float* values, byte* block) where TLane : struct, IFloatLane<TLane>
        => new ReadOnlySpan<float>(values, KeyValueTypes.BlockColumns).CopyTo(new Span<float>(block, KeyValueTypes.BlockColumns));
}

/// <summary><see cref="KeyValueType.BF16"/>: element j holds columns j (lower half) and 16 + j (upper half).</summary>
internal readonly unsafe struct BFloat16Head : IHeadFormat<BFloat16Head>
{
    private const uint UpperHalf = 0xffff0000;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Lower<TLane>(byte* block, int j) where TLane : struct, IFloatLane<TLane> => TLane.ShiftLeft(TLane.Load((float*)block + j), 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Upper<TLane>(byte* block, int j) where TLane : struct, IFloatLane<TLane> => TLane.And(TLane.Load((float*)block + j), UpperHalf);

    public static void Write<TLane>(float* values, byte* block) where TLane : struct, IFloatLane<TLane>
    {
        for (int j = 0; j < 16; j += TLane.Count)
        {
            TLane lower = TLane.RoundBf16(TLane.Load(values + j)), upper = TLane.RoundBf16(TLane.Load(values + 16 + j));
            TLane.Store(TLane.Or(TLane.ShiftRight(lower, 16), upper), (float*)block + j);
        }
    }
}

/// <summary><see cref="KeyValueType.Q8_0"/>: the scale, then 32 codes.</summary>
internal readonly unsafe struct Int8Head : IHeadFormat<Int8Head>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Lower<TLane>(byte* block, int j) where TLane : struct, IFloatLane<TLane>
        => TLane.LoadInt8((sbyte*)block + sizeof(float) + j) * TLane.Broadcast(*(float*)block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Upper<TLane>(byte* block, int j) where TLane : struct, IFloatLane<TLane>
        => TLane.LoadInt8((sbyte*)block + sizeof(float) + 16 + j) * TLane.Broadcast(*(float*)block);

    /// <summary>What is not finite makes the scale so, and with it all that is read back.</summary>
    public static void Write<TLane>(float* values, byte* block) where TLane : struct, IFloatLane<TLane>
    {
        TLane largest = TLane.Zero;
        for (int j = 0; j < KeyValueTypes.BlockColumns; j += TLane.Count) largest = TLane.Max(largest, TLane.Abs(TLane.Load(values + j)));
        float scale = TLane.MaxElement(largest) / 127, divisor = scale == 0 ? 1 : scale;
        *(float*)block = scale;
        for (int j = 0; j < KeyValueTypes.BlockColumns; j += TLane.Count)
            TLane.StoreInt8(TLane.Clamp(TLane.Round(TLane.Load(values + j) / TLane.Broadcast(divisor)), -127, 127), (sbyte*)block + sizeof(float) + j);
    }
}
