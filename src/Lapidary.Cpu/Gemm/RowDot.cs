using System.Runtime.CompilerServices;

namespace Lapidary.Cpu.Gemm;

/// <summary>
/// y[t, o] = x[t] · w[o] for blocks of weight rows and tokens, weights widened in the loop, sums in float32.
/// Every (row, token) pair is summed lane by lane in ascending order whatever the block, so a token's result does not
/// depend on what else is in the batch.
/// </summary>
internal static unsafe class RowDot<TLane, TWeight>
    where TLane : struct, IFloatLane<TLane>
    where TWeight : unmanaged, IWeightElement<TWeight>
{
    /// <summary>Rows [from, to) of the weights against all tokens.</summary>
    /// <param name="weights">[o, k] row-major</param>
    /// <param name="x">[t, k]: row t at x + t·xStride</param>
    /// <param name="y">[t, o]: element (t, o) at y + t·yStride + o</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Rows(
        TWeight* weights, int k, int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
    {
        int row = from;
        if (tokens >= 4)
        {
            for (; row + 2 <= to; row += 2)
            {
                TWeight* w = weights + (nint)row * k;
                int t = 0;
                for (; t + 4 <= tokens; t += 4) TwoByFour(w, k, x + t * xStride, xStride, y + t * yStride + row, yStride);
                for (; t < tokens; t++)
                {
                    y[t * yStride + row] = One(w, k, x + t * xStride);
                    y[t * yStride + row + 1] = One(w + k, k, x + t * xStride);
                }
            }
        }
        for (; row + 4 <= to; row += 4)
            for (int t = 0; t < tokens; t++) FourByOne(weights + (nint)row * k, k, x + t * xStride, y + t * yStride + row);
        for (; row < to; row++)
            for (int t = 0; t < tokens; t++) y[t * yStride + row] = One(weights + (nint)row * k, k, x + t * xStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Finish(TLane sum, TWeight* w, float* x, int i, int k)
    {
        float result = TLane.Sum(sum);
        for (; i < k; i++) result += TWeight.ToSingle(w[i]) * x[i];
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float One(TWeight* w, int k, float* x)
    {
        TLane sum = TLane.Zero;
        int i = 0;
        for (; i <= k - TLane.Count; i += TLane.Count)
            sum = TLane.MultiplyAdd(TWeight.Load<TLane>(w + i), TLane.Load(x + i), sum);
        return Finish(sum, w, x, i, k);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourByOne(TWeight* w, int k, float* x, float* y)
    {
        TWeight* w1 = w + k, w2 = w1 + k, w3 = w2 + k;
        TLane s0 = TLane.Zero, s1 = s0, s2 = s0, s3 = s0;
        int i = 0;
        for (; i <= k - TLane.Count; i += TLane.Count)
        {
            TLane value = TLane.Load(x + i);
            s0 = TLane.MultiplyAdd(TWeight.Load<TLane>(w + i), value, s0);
            s1 = TLane.MultiplyAdd(TWeight.Load<TLane>(w1 + i), value, s1);
            s2 = TLane.MultiplyAdd(TWeight.Load<TLane>(w2 + i), value, s2);
            s3 = TLane.MultiplyAdd(TWeight.Load<TLane>(w3 + i), value, s3);
        }
        y[0] = Finish(s0, w, x, i, k);
        y[1] = Finish(s1, w1, x, i, k);
        y[2] = Finish(s2, w2, x, i, k);
        y[3] = Finish(s3, w3, x, i, k);
    }

    // 8 sums, 2 weights and 1 value: 11 registers, so that it fits the 16 of AVX2 too.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TwoByFour(TWeight* w, int k, float* x, nint xStride, float* y, nint yStride)
    {
        TWeight* v = w + k;
        float* x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
        TLane a0 = TLane.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        int i = 0;
        for (; i <= k - TLane.Count; i += TLane.Count)
        {
            TLane a = TWeight.Load<TLane>(w + i), b = TWeight.Load<TLane>(v + i), value = TLane.Load(x + i);
            a0 = TLane.MultiplyAdd(a, value, a0);
            b0 = TLane.MultiplyAdd(b, value, b0);
            value = TLane.Load(x1 + i);
            a1 = TLane.MultiplyAdd(a, value, a1);
            b1 = TLane.MultiplyAdd(b, value, b1);
            value = TLane.Load(x2 + i);
            a2 = TLane.MultiplyAdd(a, value, a2);
            b2 = TLane.MultiplyAdd(b, value, b2);
            value = TLane.Load(x3 + i);
            a3 = TLane.MultiplyAdd(a, value, a3);
            b3 = TLane.MultiplyAdd(b, value, b3);
        }
        y[0] = Finish(a0, w, x, i, k);
        y[1] = Finish(b0, v, x, i, k);
        y[yStride] = Finish(a1, w, x1, i, k);
        y[yStride + 1] = Finish(b1, v, x1, i, k);
        y[2 * yStride] = Finish(a2, w, x2, i, k);
        y[2 * yStride + 1] = Finish(b2, v, x2, i, k);
        y[3 * yStride] = Finish(a3, w, x3, i, k);
        y[3 * yStride + 1] = Finish(b3, v, x3, i, k);
    }
}
