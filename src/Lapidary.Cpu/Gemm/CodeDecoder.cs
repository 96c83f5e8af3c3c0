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
    /// <summary>What the code in the lowest bits of each word stands for, less <see cref="Origin"/>.</summary>
    /// <param name="word">32-bit elements; other codes may lie above.</param>
    TLane Decode<TLane>(TLane word) where TLane : struct, IFloatLane<TLane>;

    /// <summary>Constant part of every number; kernels add it to the offset of a group once, not to each element.</summary>
    float Origin { get; }
}

/// <summary>Consecutive integers from <paramref name="origin"/> on: a conversion.</summary>
internal readonly struct IntegerCodes<TBits>(float origin) : ICodeDecoder where TBits : struct, IBitWidth
{
    public float Origin => origin;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TLane Decode<TLane>(TLane word) where TLane : struct, IFloatLane<TLane> => TLane.FromInt32(TLane.And(word, (1u << TBits.Bits) - 1));
}

/// <summary>Any sixteen numbers or fewer: a permutation of a register.</summary>
internal readonly unsafe struct SmallTableCodes<TBits>(float* table) : ICodeDecoder where TBits : struct, IBitWidth
{
    public float Origin => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TLane Decode<TLane>(TLane word) where TLane : struct, IFloatLane<TLane> => TLane.Lookup16(table, TLane.And(word, (1u << TBits.Bits) - 1));
}

/// <summary>
/// Sign, exponent and mantissa: moved to their places in a float32, whose exponent then is too small by the difference of the
/// biases. The product with a power of two sets that right, exactly, for subnormals as well.
/// </summary>
internal readonly struct FloatCodes<TBits, TMantissa> : ICodeDecoder
    where TBits : struct, IBitWidth
    where TMantissa : struct, IBitWidth
{
    public float Origin => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TLane Decode<TLane>(TLane word) where TLane : struct, IFloatLane<TLane>
    {
        int exponentBits = TBits.Bits - TMantissa.Bits - 1, bias = (1 << (exponentBits - 1)) - 1;
        uint places = 0x80000000 | (((1u << (TBits.Bits - 1)) - 1) << (23 - TMantissa.Bits));
        float rebias = BitConverter.Int32BitsToSingle((127 + 127 - bias) << 23); // 2^(127 - bias)
        // To the top, then down to where float32 has its exponent; the sign stays, and its copies below it are masked away.
        return TLane.And(TLane.ShiftRightSigned(TLane.ShiftLeft(word, 32 - TBits.Bits), 8 - exponentBits), places) * TLane.Broadcast(rebias);
    }
}

/// <summary>Any numbers at all: one load each.</summary>
internal readonly unsafe struct TableCodes<TBits>(float* table) : ICodeDecoder where TBits : struct, IBitWidth
{
    public float Origin => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TLane Decode<TLane>(TLane word) where TLane : struct, IFloatLane<TLane> => TLane.Lookup(table, TLane.And(word, (1u << TBits.Bits) - 1));
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
        IntegerCodes<TBits> integers = new(code.Values[0]);
        if (Gives(integers, code)) return visitor.Visit<TBits, IntegerCodes<TBits>>(integers);
        if (code.Bits <= 4) return visitor.Visit<TBits, SmallTableCodes<TBits>>(new(Table(code, 16)));
        if (Gives(new FloatCodes<TBits, Bits2>(), code)) return visitor.Visit<TBits, FloatCodes<TBits, Bits2>>(new());
        if (Gives(new FloatCodes<TBits, Bits3>(), code)) return visitor.Visit<TBits, FloatCodes<TBits, Bits3>>(new());
        return visitor.Visit<TBits, TableCodes<TBits>>(new(Table(code, 1 << code.Bits)));
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
