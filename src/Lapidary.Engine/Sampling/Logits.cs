using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Lapidary.Sampling;

/// <summary>
/// Passes over a row of logits. The vocabulary is taken in blocks whose largest logit is kept: what comes after the first
/// pass looks only into blocks that can matter.
/// </summary>
internal static class Logits
{
    public const int BlockSize = 256;

    public static int Blocks(int vocabSize) => (vocabSize + BlockSize - 1) / BlockSize;

    public static ReadOnlySpan<float> Block(ReadOnlySpan<float> logits, int block)
        => logits.Slice(block * BlockSize, Math.Min(BlockSize, logits.Length - block * BlockSize));

    /// <summary>The largest logit of every block.</summary>
    /// <returns>The largest of all; NaN when any logit is NaN.</returns>
    public static float Maxima(ReadOnlySpan<float> logits, Span<float> maxima)
    {
        Vector256<float> numbers = Vector256<float>.AllBitsSet;
        float result = float.NegativeInfinity;
        int whole = logits.Length / BlockSize;
        for (int block = 0; block < whole; block++)
        {
            ReadOnlySpan<Vector256<float>> v = MemoryMarshal.Cast<float, Vector256<float>>(logits.Slice(block * BlockSize, BlockSize));
            // Four chains, so that the loop waits for memory and not for the last comparison.
            Vector256<float> a = v[0], b = v[1], c = v[2], d = v[3];
            numbers &= Vector256.Equals(a, a) & Vector256.Equals(b, b) & Vector256.Equals(c, c) & Vector256.Equals(d, d);
            for (int i = 4; i < v.Length; i += 4)
            {
                numbers &= Vector256.Equals(v[i], v[i]) & Vector256.Equals(v[i + 1], v[i + 1]) & Vector256.Equals(v[i + 2], v[i + 2]) & Vector256.Equals(v[i + 3], v[i + 3]);
                a = Vector256.MaxNative(a, v[i]);
                b = Vector256.MaxNative(b, v[i + 1]);
                c = Vector256.MaxNative(c, v[i + 2]);
                d = Vector256.MaxNative(d, v[i + 3]);
            }
            a = Vector256.MaxNative(Vector256.MaxNative(a, b), Vector256.MaxNative(c, d));
            Vector128<float> half = Vector128.MaxNative(a.GetLower(), a.GetUpper());
            float max = MathF.Max(MathF.Max(half[0], half[1]), MathF.Max(half[2], half[3]));
            maxima[block] = max;
            if (max > result) result = max;
        }
        if (!Vector256.EqualsAll(numbers.AsInt32(), Vector256<int>.AllBitsSet)) return float.NaN;
        if (whole * BlockSize == logits.Length) return result;
        float last = float.NegativeInfinity;
        foreach (float logit in logits[(whole * BlockSize)..]) last = MathF.Max(last, logit); // NaN stays
        maxima[whole] = last;
        return MathF.Max(result, last);
    }

    /// <summary>The lowest id whose logit is the largest of all.</summary>
    public static int First(ReadOnlySpan<float> logits, ReadOnlySpan<float> maxima, float max)
    {
        int block = maxima.IndexOf(max);
        return block * BlockSize + Block(logits, block).IndexOf(max);
    }

    /// <summary>How many logits are larger.</summary>
    public static int CountAbove(ReadOnlySpan<float> logits, float value)
    {
        ReadOnlySpan<Vector256<float>> vectors = MemoryMarshal.Cast<float, Vector256<float>>(logits);
        Vector256<int> counts = default;
        Vector256<float> values = Vector256.Create(value);
        foreach (Vector256<float> v in vectors) counts -= Vector256.GreaterThan(v, values).AsInt32();
        int count = Vector256.Sum(counts);
        for (int i = vectors.Length * Vector256<float>.Count; i < logits.Length; i++)
            if (logits[i] > value) count++;
        return count;
    }

    /// <summary>Bit i is set when element i of the 8 is at least <paramref name="least"/>.</summary>
    public static uint AtLeast(ReadOnlySpan<float> eight, float least)
        => Vector256.GreaterThanOrEqual(Vector256.Create(eight), Vector256.Create(least)).ExtractMostSignificantBits();
}
