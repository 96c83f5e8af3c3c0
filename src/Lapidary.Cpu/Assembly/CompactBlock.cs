using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// How 32 rows × up to 256 columns of bfloat16 weights lie in three quarters of their bytes, none of them changed. The upper byte
/// of a weight, its sign and all but the last bit of its exponent, takes one of 16 values almost always: the weights of a matrix
/// are of one size. A block has a table of 16 such bytes, and steps of 4 columns: 128 lower bytes, then 128 places in the table, of
/// 4 bits. A step with another upper byte in it lies there as it is, in 256 bytes. Rows are panels of 8, a register's lanes.
/// </summary>
/// <param name="UpperBytes">The table. A byte's place follows from it (<see cref="Places"/>).</param>
/// <param name="Uncoded">Bit s: step s lies there as it is.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct CompactBlock(Vector128<byte> UpperBytes, ulong Uncoded)
{
    public const int Lanes = 8, Panels = 4, Rows = Lanes * Panels, Columns = 256, StepColumns = 4;

    /// <summary>That a matrix has a multiple of.</summary>
    public const int ColumnsTogether = 32;

    /// <summary>Of the block's parts in memory; the table comes first.</summary>
    public const int UncodedOffset = 16, HeaderBytes = 64, PlacesOffset = Panels * Register, StepBytes = PlacesOffset * 3 / 2, UncodedStepBytes = 2 * PlacesOffset;

    public const int Register = 32;

    /// <summary>Of the memory.</summary>
    public const int Line = 64;

    /// <summary>Steps of the block that begins at that column of a matrix.</summary>
    public static int Steps(int columns, int first) => Math.Min(Columns, columns - first) / StepColumns;

    /// <summary>With so many steps of columns.</summary>
    public int ByteLength(int steps) => HeaderBytes + steps * StepBytes + BitOperations.PopCount(Uncoded) * (UncodedStepBytes - StepBytes);

    /// <summary>Where the upper bytes are in a table, if they are: the sign and the 3 lower bits of the exponent that they hold.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Places(Vector256<byte> upper)
        => ((upper.AsUInt16() >>> 4).AsByte() & Vector256.Create((byte)8)) | (upper & Vector256.Create((byte)7));

    /// <summary>The upper bytes of two registers, in an order that unpacking reverses.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Upper(Vector256<ushort> first, Vector256<ushort> second)
        => Avx2.PackUnsignedSaturate((first >>> 8).AsInt16(), (second >>> 8).AsInt16());

    /// <inheritdoc cref="Upper"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Lower(Vector256<ushort> first, Vector256<ushort> second)
        => Avx2.PackUnsignedSaturate((first & Vector256.Create((ushort)0xff)).AsInt16(), (second & Vector256.Create((ushort)0xff)).AsInt16());
}
