using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Lapidary.Cpu.Assembly;

/// <summary>Elements of two vectors in turn.</summary>
internal static class Interleave
{
    public static Vector128<ulong> Low(Vector128<ulong> l, Vector128<ulong> r) => Sse2.IsSupported ? Sse2.UnpackLow(l, r)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(l, r)
        : Vector128.Create(l[0], r[0]);

    public static Vector128<ulong> High(Vector128<ulong> l, Vector128<ulong> r) => Sse2.IsSupported ? Sse2.UnpackHigh(l, r)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(l, r)
        : Vector128.Create(l[1], r[1]);

    public static Vector128<uint> Low(Vector128<uint> l, Vector128<uint> r) => Sse2.IsSupported ? Sse2.UnpackLow(l, r)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(l, r)
        : Vector128.Create(l[0], r[0], l[1], r[1]);

    public static Vector128<uint> High(Vector128<uint> l, Vector128<uint> r) => Sse2.IsSupported ? Sse2.UnpackHigh(l, r)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(l, r)
        : Vector128.Create(l[2], r[2], l[3], r[3]);

    public static Vector128<byte> Low(Vector128<byte> l, Vector128<byte> r) => Sse2.IsSupported ? Sse2.UnpackLow(l, r)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(l, r)
        : Vector128.WidenLower(l).AsByte() | (Vector128.WidenLower(r) << 8).AsByte();

    public static Vector128<byte> High(Vector128<byte> l, Vector128<byte> r) => Sse2.IsSupported ? Sse2.UnpackHigh(l, r)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(l, r)
        : Vector128.WidenUpper(l).AsByte() | (Vector128.WidenUpper(r) << 8).AsByte();
}
