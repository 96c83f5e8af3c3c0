using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Lapidary.Sampling;

/// <summary>Passes over a row of logits.</summary>
internal static class Logits
{
    /// <summary>The largest logit, and whether every one is a number.</summary>
    public static float Max(ReadOnlySpan<float> logits, out bool valid)
    {
        ReadOnlySpan<Vector256<float>> vectors = MemoryMarshal.Cast<float, Vector256<float>>(logits);
        Vector256<float> max = Vector256.Create(float.NegativeInfinity), numbers = Vector256<float>.AllBitsSet;
        foreach (Vector256<float> v in vectors)
        {
            max = Vector256.ConditionalSelect(Vector256.GreaterThan(v, max), v, max);
            numbers &= Vector256.Equals(v, v);
        }
        valid = Vector256.EqualsAll(numbers.AsInt32(), Vector256<int>.AllBitsSet);
        float result = float.NegativeInfinity;
        for (int i = 0; i < Vector256<float>.Count; i++) result = MathF.Max(result, max[i]);
        for (int i = vectors.Length * Vector256<float>.Count; i < logits.Length; i++)
        {
            valid &= !float.IsNaN(logits[i]);
            if (logits[i] > result) result = logits[i];
        }
        return result;
    }

    /// <summary>Σ e^((logit - max) · scale), in float64 over blocks.</summary>
    public static double ExpSum(ReadOnlySpan<float> logits, float max, float scale)
    {
        ReadOnlySpan<Vector256<float>> vectors = MemoryMarshal.Cast<float, Vector256<float>>(logits);
        Vector256<double> low = default, high = default;
        Vector256<float> maxima = Vector256.Create(max), scales = Vector256.Create(scale);
        foreach (Vector256<float> v in vectors)
        {
            Vector256<float> e = V8.Exp(new V8((v - maxima) * scales)).Value;
            low += Vector256.WidenLower(e);
            high += Vector256.WidenUpper(e);
        }
        double sum = Vector256.Sum(low) + Vector256.Sum(high);
        for (int i = vectors.Length * Vector256<float>.Count; i < logits.Length; i++) sum += V1.Exp(new V1((logits[i] - max) * scale)).Value;
        return sum;
    }
}
