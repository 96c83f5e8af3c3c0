using System.Diagnostics;
using Lapidary.Experts;

namespace Lapidary.Verification;

/// <summary>Time of one kind of operation, and what it read and computed where that is counted.</summary>
public sealed class OperationTime
{
    public long Ticks { get; internal set; }
    public int Calls { get; internal set; }

    /// <summary>Nothing for operations that nobody counts.</summary>
    public OperationWork Work { get; internal set; }
    public double Seconds => (double)Ticks / Stopwatch.Frequency;
}

/// <summary>What operations cannot do without: each weight, key and value is read once a call, however often a kernel goes back to it.</summary>
/// <param name="BytesRead">Of weights, or of keys and values, as the device keeps them.</param>
/// <param name="MultiplyAdds">Products of what was read with hidden states.</param>
public readonly record struct OperationWork(long BytesRead, long MultiplyAdds)
{
    public static OperationWork operator +(OperationWork a, OperationWork b) => new(a.BytesRead + b.BytesRead, a.MultiplyAdds + b.MultiplyAdds);

    public static OperationWork OfLinear(ILinear weight, int tokens) => new(weight.ByteLength, (long)tokens * weight.OutFeatures * weight.InFeatures);

    /// <param name="chosen">Experts of all tokens, one after the other.</param>
    public static OperationWork OfExperts(ReadOnlySpan<int> chosen, ExpertLayerSpec spec, long bytesPerExpert)
    {
        bool[] met = new bool[spec.NumExperts];
        foreach (int expert in chosen) met[expert] = true;
        long matrices = spec.Form == ActivationForm.Gated ? 3 : 2;
        return new(met.AsSpan().Count(true) * bytesPerExpert, chosen.Length * matrices * spec.HiddenSize * spec.IntermediateSize);
    }

    /// <param name="positions">Last position that each token sees.</param>
    /// <param name="sequences">The text of each token; tokens of one text follow each other.</param>
    /// <param name="window">Positions that a token sees at most.</param>
    public static OperationWork OfAttention(ReadOnlySpan<int> positions, ReadOnlySpan<int> sequences, int window, int queryHeads, IKeyValues cache)
    {
        long seen = 0, read = 0;
        for (int token = 0, readUntil = 0; token < positions.Length; token++)
        {
            int end = positions[token] + 1, first = Math.Max(0, end - window);
            if (token == 0 || sequences[token] != sequences[token - 1]) readUntil = 0;
            seen += end - first;
            read += Math.Max(0, end - Math.Max(first, readUntil));
            readUntil = Math.Max(readUntil, end);
        }
        // Once with the keys, once with the values.
        return new(read * 2 * cache.Heads * cache.Type.HeadBytes(cache.HeadDim), seen * 2 * queryHeads * cache.HeadDim);
    }
}
