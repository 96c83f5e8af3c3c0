using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Lapidary.Benchmarks;

/// <summary>
/// Gated SiLU and tanh-GELU as one would write them by hand for one instruction set: what the generic definitions are
/// measured against. Same polynomials as LaneMath, fused where the processor can. Lengths are multiples of 16.
/// </summary>
internal static unsafe class HandWrittenActivations
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Silu512(float* gate, float* up, float* output, int n)
    {
        for (int i = 0; i < n; i += 16)
        {
            Vector512<float> x = Avx512F.LoadVector512(gate + i);
            Vector512<float> sigmoid = Avx512F.Divide(Vector512<float>.One, Avx512F.Add(Vector512<float>.One, Exp(Avx512F.Subtract(Vector512<float>.Zero, x))));
            Avx512F.Store(output + i, Avx512F.Multiply(Avx512F.Multiply(x, sigmoid), Avx512F.LoadVector512(up + i)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void GeluTanh512(float* gate, float* up, float* output, int n)
    {
        for (int i = 0; i < n; i += 16)
        {
            Vector512<float> x = Avx512F.LoadVector512(gate + i), half = Avx512F.Multiply(Vector512.Create(0.5f), x);
            Vector512<float> cubed = Avx512F.Multiply(Avx512F.Multiply(x, x), x);
            Vector512<float> inner = Avx512F.Multiply(Vector512.Create(0.7978845608f), Avx512F.FusedMultiplyAdd(Vector512.Create(0.044715f), cubed, x));
            Avx512F.Store(output + i, Avx512F.Multiply(Avx512F.FusedMultiplyAdd(half, Tanh(inner), half), Avx512F.LoadVector512(up + i)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Silu256(float* gate, float* up, float* output, int n)
    {
        for (int i = 0; i < n; i += 8)
        {
            Vector256<float> x = Avx.LoadVector256(gate + i);
            Vector256<float> sigmoid = Avx.Divide(Vector256<float>.One, Avx.Add(Vector256<float>.One, Exp(Avx.Subtract(Vector256<float>.Zero, x))));
            Avx.Store(output + i, Avx.Multiply(Avx.Multiply(x, sigmoid), Avx.LoadVector256(up + i)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void GeluTanh256(float* gate, float* up, float* output, int n)
    {
        for (int i = 0; i < n; i += 8)
        {
            Vector256<float> x = Avx.LoadVector256(gate + i), half = Avx.Multiply(Vector256.Create(0.5f), x);
            Vector256<float> cubed = Avx.Multiply(Avx.Multiply(x, x), x);
            Vector256<float> inner = Avx.Multiply(Vector256.Create(0.7978845608f), Fma.MultiplyAdd(Vector256.Create(0.044715f), cubed, x));
            Avx.Store(output + i, Avx.Multiply(Fma.MultiplyAdd(half, Tanh(inner), half), Avx.LoadVector256(up + i)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Exp(Vector512<float> x)
    {
        x = Avx512F.Max(Vector512.Create(-104f), Avx512F.Min(Vector512.Create(89.5f), x));
        Vector512<float> n = Avx512F.RoundScale(Avx512F.Multiply(x, Vector512.Create(1.442695041f)), 0);
        Vector512<float> r = Avx512F.FusedMultiplyAdd(n, Vector512.Create(2.1219444e-4f), Avx512F.FusedMultiplyAdd(n, Vector512.Create(-0.693359375f), x));
        Vector512<float> p = Vector512.Create(0.00019890992f);
        p = Avx512F.FusedMultiplyAdd(p, r, Vector512.Create(0.00139336500f));
        p = Avx512F.FusedMultiplyAdd(p, r, Vector512.Create(0.00833331092f));
        p = Avx512F.FusedMultiplyAdd(p, r, Vector512.Create(0.04166646492f));
        p = Avx512F.FusedMultiplyAdd(p, r, Vector512.Create(0.16666666681f));
        p = Avx512F.FusedMultiplyAdd(p, r, Vector512.Create(0.50000000134f));
        p = Avx512F.Add(Avx512F.FusedMultiplyAdd(p, Avx512F.Multiply(r, r), r), Vector512<float>.One);
        return Avx512F.Scale(p, n); // p · 2^n in one instruction, subnormals and infinity included
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Exp(Vector256<float> x)
    {
        x = Avx.Max(Vector256.Create(-104f), Avx.Min(Vector256.Create(89.5f), x));
        Vector256<float> n = Avx.RoundToNearestInteger(Avx.Multiply(x, Vector256.Create(1.442695041f)));
        Vector256<float> r = Fma.MultiplyAdd(n, Vector256.Create(2.1219444e-4f), Fma.MultiplyAdd(n, Vector256.Create(-0.693359375f), x));
        Vector256<float> p = Vector256.Create(0.00019890992f);
        p = Fma.MultiplyAdd(p, r, Vector256.Create(0.00139336500f));
        p = Fma.MultiplyAdd(p, r, Vector256.Create(0.00833331092f));
        p = Fma.MultiplyAdd(p, r, Vector256.Create(0.04166646492f));
        p = Fma.MultiplyAdd(p, r, Vector256.Create(0.16666666681f));
        p = Fma.MultiplyAdd(p, r, Vector256.Create(0.50000000134f));
        p = Avx.Add(Fma.MultiplyAdd(p, Avx.Multiply(r, r), r), Vector256<float>.One);
        Vector256<int> whole = Avx.ConvertToVector256Int32(n), half = Avx2.ShiftRightArithmetic(whole, 1); // 2^n leaves the exponent's range
        return Avx.Multiply(Avx.Multiply(p, Power(half)), Power(Avx2.Subtract(whole, half)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Power(Vector256<int> n) => Avx2.ShiftLeftLogical(Avx2.Add(n, Vector256.Create(127)), 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Tanh(Vector512<float> x)
    {
        Vector512<float> sign = Vector512.Create(-0f), a = Avx512DQ.AndNot(sign, x), z = Avx512F.Multiply(x, x), t = Avx512F.Subtract(z, Vector512.Create(0.1953125f));
        Vector512<float> p = Vector512.Create(0.00229274493f);
        p = Avx512F.FusedMultiplyAdd(p, t, Vector512.Create(-0.00610493693f));
        p = Avx512F.FusedMultiplyAdd(p, t, Vector512.Create(0.01612482395f));
        p = Avx512F.FusedMultiplyAdd(p, t, Vector512.Create(-0.04294298857f));
        p = Avx512F.FusedMultiplyAdd(p, t, Vector512.Create(0.11451446779f));
        p = Avx512F.FusedMultiplyAdd(p, t, Vector512.Create(-0.30919940493f));
        Vector512<float> small = Avx512F.FusedMultiplyAdd(Avx512F.Multiply(p, z), x, x);
        Vector512<float> large = Avx512F.Subtract(Vector512<float>.One, Avx512F.Divide(Vector512.Create(2f), Avx512F.Add(Exp(Avx512F.Add(a, a)), Vector512<float>.One)));
        large = Avx512DQ.Or(large, Avx512DQ.And(sign, x));
        return Avx512F.BlendVariable(large, small, Avx512F.CompareLessThan(a, Vector512.Create(0.625f)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Tanh(Vector256<float> x)
    {
        Vector256<float> sign = Vector256.Create(-0f), a = Avx.AndNot(sign, x), z = Avx.Multiply(x, x), t = Avx.Subtract(z, Vector256.Create(0.1953125f));
        Vector256<float> p = Vector256.Create(0.00229274493f);
        p = Fma.MultiplyAdd(p, t, Vector256.Create(-0.00610493693f));
        p = Fma.MultiplyAdd(p, t, Vector256.Create(0.01612482395f));
        p = Fma.MultiplyAdd(p, t, Vector256.Create(-0.04294298857f));
        p = Fma.MultiplyAdd(p, t, Vector256.Create(0.11451446779f));
        p = Fma.MultiplyAdd(p, t, Vector256.Create(-0.30919940493f));
        Vector256<float> small = Fma.MultiplyAdd(Avx.Multiply(p, z), x, x);
        Vector256<float> large = Avx.Subtract(Vector256<float>.One, Avx.Divide(Vector256.Create(2f), Avx.Add(Exp(Avx.Add(a, a)), Vector256<float>.One)));
        large = Avx.Or(large, Avx.And(sign, x));
        return Avx.BlendVariable(large, small, Avx.CompareLessThan(a, Vector256.Create(0.625f)));
    }
}
