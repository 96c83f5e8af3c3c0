using System.Runtime.CompilerServices;

namespace Lapidary.Cpu.Assembly;

/// <summary>How codes of some width come out of a panel (<see cref="PanelLayout"/>).</summary>
internal unsafe interface IPanelCodes
{
    static abstract int Bits { get; }

    /// <summary>Codes of 4 columns, one a byte, of as many rows as there are lanes, from row <paramref name="first"/> on.</summary>
    /// <param name="step">Where the step begins.</param>
    static abstract TLane Quad<TLane>(byte* step, int quad, int first) where TLane : struct, IFloatLane<TLane>;
}

internal readonly unsafe struct Codes4 : IPanelCodes
{
    public static int Bits => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Quad<TLane>(byte* step, int quad, int first) where TLane : struct, IFloatLane<TLane>
    {
        TLane pair = Register<TLane>(step, quad & 3, first);
        return TLane.And(quad < 4 ? pair : TLane.ShiftRight(pair, 4), 0x0f0f0f0f);
    }

    /// <summary>The rows' part of a 64-byte register.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Register<TLane>(byte* step, int index, int first) where TLane : struct, IFloatLane<TLane>
        => TLane.Load((float*)(step + index * PanelLayout.Register) + first);
}

internal readonly unsafe struct Codes5 : IPanelCodes
{
    public static int Bits => 5;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Quad<TLane>(byte* step, int quad, int first) where TLane : struct, IFloatLane<TLane>
    {
        TLane fifth = TLane.And(TLane.ShiftRight(Codes4.Register<TLane>(step, 4, first), quad), 0x01010101);
        return TLane.Or(Codes4.Quad<TLane>(step, quad, first), TLane.ShiftLeft(fifth, 4));
    }
}

internal readonly unsafe struct Codes6 : IPanelCodes
{
    public static int Bits => 6;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Quad<TLane>(byte* step, int quad, int first) where TLane : struct, IFloatLane<TLane>
    {
        TLane upper = TLane.And(TLane.ShiftRight(Codes4.Register<TLane>(step, 4 + quad / 4, first), 2 * (quad & 3)), 0x03030303);
        return TLane.Or(Codes4.Quad<TLane>(step, quad, first), TLane.ShiftLeft(upper, 4));
    }
}

internal readonly unsafe struct Codes8 : IPanelCodes
{
    public static int Bits => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Quad<TLane>(byte* step, int quad, int first) where TLane : struct, IFloatLane<TLane>
        => Codes4.Register<TLane>(step, quad, first);
}
