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

    /// <summary>Of the block's parts in memory; the table comes first.</summary>
    public const int UncodedOffset = 16, HeaderBytes = 64, PlacesOffset = Panels * Register, StepBytes = PlacesOffset * 3 / 2, UncodedStepBytes = 2 * PlacesOffset;

    public const int Register = 32;

    /// <summary>With so many steps of columns.</summary>
    public int ByteLength(int steps) => HeaderBytes + steps * StepBytes + System.Numerics.BitOperations.PopCount(Uncoded) * (UncodedStepBytes - StepBytes);

    /// <summary>Where the upper bytes are in a table, if they are: the sign and the 3 lower bits of the exponent that they hold.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Places(Vector256<byte> upper)
        => ((upper.AsUInt16() >>> 4).AsByte() & Vector256.Create((byte)8)) | (upper & Vector256.Create((byte)7));

    /// <summary>A panel's step: columns 0 and 1 of row r are lane r of the first register, 2 and 3 that of the second.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe (Vector256<ushort> First, Vector256<ushort> Second) Step(byte* weights, Vector256<int> rows)
        => (Avx2.GatherVector256((int*)weights, rows, 1).AsUInt16(), Avx2.GatherVector256((int*)weights + 1, rows, 1).AsUInt16());

    /// <summary>Of a step, in an order that unpacking reverses.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Upper((Vector256<ushort> First, Vector256<ushort> Second) step)
        => Avx2.PackUnsignedSaturate((step.First >>> 8).AsInt16(), (step.Second >>> 8).AsInt16());

    /// <inheritdoc cref="Upper"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Lower((Vector256<ushort> First, Vector256<ushort> Second) step)
        => Avx2.PackUnsignedSaturate((step.First & Vector256.Create((ushort)0xff)).AsInt16(), (step.Second & Vector256.Create((ushort)0xff)).AsInt16());
}
