using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Lapidary.Sampling;

/// <summary>
/// What the tokens of a row weigh, e^((logit - max) · scale), as a sum for each block. The row is read once: a block's
/// largest logit and its sum relative to that are taken together, and what comes later looks only into blocks that matter.
/// Holds its memory from row to row.
/// </summary>
/// <param name="scale">1 / temperature.</param>
internal sealed class Weights(int vocabSize, float scale)
{
    private const int Group = 8;

    // Blocks of which every weight is below e^-32 of the largest count as nothing: all of 262,144 such tokens are 3e-9 of the whole.
    private readonly float negligible = 32 / scale;
    private readonly float log2Scale = scale * 1.44269504f;
    private readonly int blocks = Logits.Blocks(vocabSize);

    // By block, filled up to whole vectors.
    private readonly float[] maxima = Filled(Logits.Blocks(vocabSize), float.NegativeInfinity);
    private readonly float[] sums = Filled(Logits.Blocks(vocabSize), 0);
    private float max;

    /// <summary>The largest logit of every block.</summary>
    public ReadOnlySpan<float> Maxima => maxima.AsSpan(0, blocks);

    /// <summary>Over the tokens that are not left out.</summary>
    public double Sum { get; private set; }

    /// <summary>e^((logit - max) · scale)</summary>
    public static double Of(float logit, float max, float scale) => V1.Exp(new V1((logit - max) * scale)).Value;

    /// <summary>Weighs all tokens of a row.</summary>
    /// <returns>The largest logit; NaN when any is NaN or +∞.</returns>
    public float Read(ReadOnlySpan<float> logits)
    {
        if (Vector512.IsHardwareAccelerated) Read<V16>(logits);
        else Read<V8>(logits);
        return max;
    }

    /// <summary>Leaves only tokens before the bound, until it is certain that what is left weighs less than the limit.</summary>
    /// <returns>Whether that is so; then <see cref="Sum"/> is of no use.</returns>
    public bool Narrow(ReadOnlySpan<float> logits, Place bound, double limit)
        => Vector512.IsHardwareAccelerated ? Narrow<V16>(logits, bound, limit) : Narrow<V8>(logits, bound, limit);

    /// <summary>Inverse distribution function by id, over the tokens that are left: the block first, then the token in it.</summary>
    /// <param name="bound">That of the last <see cref="Narrow"/>.</param>
    public Place Find(ReadOnlySpan<float> logits, Place bound, double target)
    {
        double before = 0;
        int next = 0, block = 0, last = 0;
        while (before + SumFrom(next) <= target) (before, next) = (before + SumFrom(next), next + Group);
        // The sums of these, added one by one, may round to less than the target: then it is the last.
        for (; next < sums.Length; next++)
        {
            if (sums[next] == 0) continue;
            block = next;
            if (before + sums[next] > target) break;
            before += sums[next];
        }
        ReadOnlySpan<float> tokens = Logits.Block(logits, block);
        int first = block * Logits.BlockSize;
        for (int i = 0; i < tokens.Length; i++)
        {
            double weight = bound.IsAfter(tokens[i], first + i) ? Of(tokens[i], max, scale) : 0;
            if (weight == 0) continue;
            last = i;
            before += weight;
            if (before > target) break;
        }
        return new(tokens[last], first + last);
    }

    private void Read<TLane>(ReadOnlySpan<float> logits) where TLane : struct, IFloatLane<TLane>
    {
        max = float.NegativeInfinity;
        bool isNumber = true;
        TLane scales = TLane.Broadcast(log2Scale);
        int whole = logits.Length / Logits.BlockSize;
        for (int block = 0; block < whole; block++)
        {
            ReadOnlySpan<TLane> v = MemoryMarshal.Cast<float, TLane>(logits.Slice(block * Logits.BlockSize, Logits.BlockSize));
            // Four chains, so that no operation waits for the one before it.
            TLane a = v[0], b = v[1], c = v[2], d = v[3];
            for (int i = 4; i < v.Length; i += 4) (a, b, c, d) = (TLane.Larger(a, v[i]), TLane.Larger(b, v[i + 1]), TLane.Larger(c, v[i + 2]), TLane.Larger(d, v[i + 3]));
            float most = TLane.MaxElement(TLane.Larger(TLane.Larger(a, b), TLane.Larger(c, d)));
            maxima[block] = most;
            if (most > max) max = most;
            a = b = c = d = TLane.Zero;
            if (most < MathF.Max(max, float.MinValue) - negligible)
            {
                for (int i = 0; i < v.Length; i += 4) (a, b, c, d) = (a + v[i], b + v[i + 1], c + v[i + 2], d + v[i + 3]);
            }
            else
            {
                TLane origin = TLane.Broadcast(-most); // the difference is exact where it matters, so that the largest weighs 1
                for (int i = 0; i < v.Length; i += 4)
                {
                    a += LaneMath.Exp2((v[i] + origin) * scales);
                    b += LaneMath.Exp2((v[i + 1] + origin) * scales);
                    c += LaneMath.Exp2((v[i + 2] + origin) * scales);
                    d += LaneMath.Exp2((v[i + 3] + origin) * scales);
                }
            }
            sums[block] = TLane.Sum((a + b) + (c + d));
            isNumber &= !float.IsNaN(sums[block]); // whatever the maximum says of a block with NaN, its sum is NaN
        }
        if (whole < blocks) ReadLast(Logits.Block(logits, whole), whole);
        if (!isNumber) max = float.NaN;
        // From relative to the block's largest weight to relative to that of all.
        Span<TLane> m = Lanes<TLane>(maxima), s = Lanes<TLane>(sums);
        TLane least = TLane.Broadcast(max - negligible), start = TLane.Broadcast(-max);
        for (int i = 0; i < m.Length; i++) s[i] = TLane.SelectLess(m[i], least, TLane.Zero, LaneMath.Exp2((m[i] + start) * scales) * s[i]);
        Sum = Total();
    }

    /// <summary>A block that is not full.</summary>
    private void ReadLast(ReadOnlySpan<float> tokens, int block)
    {
        float most = float.NegativeInfinity;
        foreach (float logit in tokens) most = MathF.Max(most, logit); // NaN stays
        maxima[block] = most;
        max = MathF.Max(max, most);
        double sum = 0;
        foreach (float logit in tokens) sum += Of(logit, most, scale);
        sums[block] = (float)sum;
    }

    private bool Narrow<TLane>(ReadOnlySpan<float> logits, Place bound, double limit) where TLane : struct, IFloatLane<TLane>
    {
        Span<TLane> m = Lanes<TLane>(maxima), s = Lanes<TLane>(sums);
        TLane least = TLane.Broadcast(bound.Logit);
        for (int i = 0; i < m.Length; i++) s[i] = TLane.SelectLess(m[i], least, TLane.Zero, s[i]);
        // At most this is left, and less with every block that is looked into.
        double most = Total();
        for (int block = 0; block < blocks; block++)
        {
            if (most < limit) return true;
            if (sums[block] == 0) continue;
            float left = SumBefore<TLane>(Logits.Block(logits, block), block * Logits.BlockSize, bound);
            most -= sums[block] - left;
            sums[block] = left;
        }
        Sum = Total();
        return Sum < limit;
    }

    /// <summary>Weights of a block's tokens before the bound.</summary>
    private float SumBefore<TLane>(ReadOnlySpan<float> tokens, int first, Place bound) where TLane : struct, IFloatLane<TLane>
    {
        if (tokens.Length < Logits.BlockSize || (bound.Id >= first && bound.Id < first + tokens.Length))
        {
            double sum = 0;
            for (int i = 0; i < tokens.Length; i++)
                if (bound.IsAfter(tokens[i], first + i)) sum += Of(tokens[i], max, scale);
            return (float)sum;
        }
        // Of equal logits all come before it or none.
        TLane least = TLane.Broadcast(first < bound.Id ? bound.Logit : MathF.BitIncrement(bound.Logit));
        TLane scales = TLane.Broadcast(log2Scale), start = TLane.Broadcast(-max), a = TLane.Zero, b = TLane.Zero;
        ReadOnlySpan<TLane> v = MemoryMarshal.Cast<float, TLane>(tokens);
        for (int i = 0; i < v.Length; i += 2)
        {
            a += TLane.SelectLess(v[i], least, TLane.Zero, LaneMath.Exp2((v[i] + start) * scales));
            b += TLane.SelectLess(v[i + 1], least, TLane.Zero, LaneMath.Exp2((v[i + 1] + start) * scales));
        }
        return TLane.Sum(a + b);
    }

    private double Total()
    {
        double total = 0;
        for (int block = 0; block < sums.Length; block += Group) total += SumFrom(block);
        return total;
    }

    /// <summary>Over <see cref="Group"/> blocks.</summary>
    private double SumFrom(int block)
    {
        Vector256<float> v = Vector256.Create<float>(sums.AsSpan(block, Group));
        return Vector256.Sum(Vector256.WidenLower(v) + Vector256.WidenUpper(v));
    }

    private static Span<TLane> Lanes<TLane>(Span<float> values) where TLane : struct => MemoryMarshal.Cast<float, TLane>(values);

    private static float[] Filled(int blocks, float value)
    {
        var filled = new float[(blocks + V16.Count - 1) / V16.Count * V16.Count];
        Array.Fill(filled, value);
        return filled;
    }
}
