using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Gemm;

/// <summary>Bits of a code, as a type, so that shifts and masks are constants of the kernel.</summary>
internal interface IBitWidth
{
    static abstract int Bits { get; }
}

internal readonly struct Bits1 : IBitWidth { public static int Bits => 1; }
internal readonly struct Bits2 : IBitWidth { public static int Bits => 2; }
internal readonly struct Bits3 : IBitWidth { public static int Bits => 3; }
internal readonly struct Bits4 : IBitWidth { public static int Bits => 4; }
internal readonly struct Bits5 : IBitWidth { public static int Bits => 5; }
internal readonly struct Bits6 : IBitWidth { public static int Bits => 6; }
internal readonly struct Bits7 : IBitWidth { public static int Bits => 7; }
internal readonly struct Bits8 : IBitWidth { public static int Bits => 8; }

/// <summary>How codes in a register become numbers: the table of a <see cref="CodeType"/> as instructions.</summary>
internal interface ICodeDecoder
{
    /// <summary>What a code stands for, less <see cref="Origin"/>.</summary>
    /// <param name="code">int32 elements</param>
    TLane Decode<TLane>(TLane code) where TLane : struct, IFloatLane<TLane>;

    /// <summary>Constant part of every number; kernels add it to the offset of a group once, not to each element.</summary>
    float Origin { get; }
}

/// <summary>Consecutive integers from <paramref name="origin"/> on: a conversion.</summary>
internal readonly struct IntegerCodes(float origin) : ICodeDecoder
{
    public float Origin => origin;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TLane Decode<TLane>(TLane code) where TLane : struct, IFloatLane<TLane> => TLane.FromInt32(code);
}

/// <summary>Any sixteen numbers or fewer: a permutation of a register.</summary>
internal readonly unsafe struct SmallTableCodes(float* table) : ICodeDecoder
{
    public float Origin => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TLane Decode<TLane>(TLane code) where TLane : struct, IFloatLane<TLane> => TLane.Lookup16(table, code);
}

/// <summary>
/// Sign, exponent and mantissa: moved to their places in a float32, whose exponent then is too small by a constant. The
/// product with a power of two sets that right, exactly, for subnormals as well.
/// </summary>
internal readonly struct FloatCodes(int bits, int mantissaBits, float rebias) : ICodeDecoder
{
    public float Origin => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TLane Decode<TLane>(TLane code) where TLane : struct, IFloatLane<TLane>
    {
        uint signBit = 1u << (bits - 1);
        TLane magnitude = TLane.ShiftLeft(TLane.And(code, signBit - 1), 23 - mantissaBits) * TLane.Broadcast(rebias);
        return TLane.Or(magnitude, TLane.ShiftLeft(TLane.And(code, signBit), 32 - bits));
    }
}

/// <summary>Any numbers at all: one load each.</summary>
internal readonly unsafe struct TableCodes(float* table) : ICodeDecoder
{
    public float Origin => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TLane Decode<TLane>(TLane code) where TLane : struct, IFloatLane<TLane> => TLane.Lookup(table, code);
}

/// <summary>Receives a code's width and decoder as type arguments.</summary>
internal interface ICodeVisitor<TResult>
{
    TResult Visit<TBits, TDecoder>(TDecoder decoder) where TBits : struct, IBitWidth where TDecoder : struct, ICodeDecoder;
}

/// <summary>
/// Chooses the decoder of a code type by its table alone: a rule is used where it gives every number of the table, so a new
/// code type needs nothing here.
/// </summary>
internal static unsafe class CodeDecoder
{
    public static TResult Accept<TResult>(CodeType code, ICodeVisitor<TResult> visitor) => code.Bits switch
    {
        1 => Accept<Bits1, TResult>(code, visitor),
        2 => Accept<Bits2, TResult>(code, visitor),
        3 => Accept<Bits3, TResult>(code, visitor),
        4 => Accept<Bits4, TResult>(code, visitor),
        5 => Accept<Bits5, TResult>(code, visitor),
        6 => Accept<Bits6, TResult>(code, visitor),
        7 => Accept<Bits7, TResult>(code, visitor),
        8 => Accept<Bits8, TResult>(code, visitor),
        _ => throw new ArgumentOutOfRangeException(nameof(code)),
    };

    private static TResult Accept<TBits, TResult>(CodeType code, ICodeVisitor<TResult> visitor) where TBits : struct, IBitWidth
    {
        IntegerCodes integers = new(code.Values[0]);
        if (Gives(integers, code)) return visitor.Visit<TBits, IntegerCodes>(integers);
        if (code.Bits <= 4) return visitor.Visit<TBits, SmallTableCodes>(new(Table(code, 16)));
        for (int mantissa = 0; mantissa < code.Bits - 1; mantissa++)
        {
            // Code 1 is the smallest subnormal; as float32 bits it would be 2^(-126 - mantissa).
            FloatCodes floats = new(code.Bits, mantissa, MathF.ScaleB(code.Values[1], 126 + mantissa));
            if (Gives(floats, code)) return visitor.Visit<TBits, FloatCodes>(floats);
        }
        return visitor.Visit<TBits, TableCodes>(new(Table(code, 1 << code.Bits)));
    }

    /// <summary>Whether the rule gives every finite number of the table.</summary>
    private static bool Gives<TDecoder>(TDecoder decoder, CodeType code) where TDecoder : struct, ICodeDecoder
    {
        for (int c = 0; c < code.Values.Length; c++)
        {
            float expected = code.Values[c], actual = decoder.Decode(new V1(BitConverter.Int32BitsToSingle(c))).Value + decoder.Origin;
            if (float.IsFinite(expected) && actual != expected) return false;
        }
        return true;
    }

    // Tables live as long as the program: one for each code type, all of them together a few kilobytes.
    private static readonly Dictionary<CodeType, nint> tables = [];

    private static float* Table(CodeType code, int length)
    {
        lock (tables)
        {
            if (tables.TryGetValue(code, out nint known)) return (float*)known;
            float* table = (float*)NativeMemory.AlignedAlloc((nuint)length * sizeof(float), 64);
            new Span<float>(table, length).Clear();
            code.Values.CopyTo(new Span<float>(table, length));
            tables.Add(code, (nint)table);
            return table;
        }
    }
}
