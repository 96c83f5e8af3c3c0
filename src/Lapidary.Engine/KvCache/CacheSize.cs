using Lapidary.Models;

namespace Lapidary.KvCache;

/// <summary>How many blocks a cache has in each group, and what they hold.</summary>
/// <param name="Type">What keys and values are rounded to.</param>
public readonly record struct CacheSize(int SlidingBlocks, int FullBlocks, KeyValueType Type)
{
    // Texts are seldom as long as the context. Beyond one full context, memory is shared out as texts of this length use it.
    private const int TypicalLength = 4096;

    /// <summary>For that many sequences of full length.</summary>
    public static CacheSize ForSequences(Gemma4Config config, KeyValueType type, int contextLength, int maxStepTokens, int sequences)
    {
        CacheSize one = OfText(config, type, contextLength, maxStepTokens);
        return one with { SlidingBlocks = checked(one.SlidingBlocks * sequences), FullBlocks = checked(one.FullBlocks * sequences) };
    }

    /// <summary>For that many sequences of full length, or for what fits into a quarter of the machine's memory if that is less.</summary>
    public static CacheSize ForMachine(Gemma4Config config, KeyValueType type, int contextLength, int maxStepTokens, int sequences)
    {
        CacheSize all = ForSequences(config, type, contextLength, maxStepTokens, sequences);
        long least = OfText(config, type, contextLength, maxStepTokens).Bytes(config);
        long share = Math.Max(least, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4);
        return all.Bytes(config) <= share ? all : ForMemory(config, type, contextLength, maxStepTokens, share);
    }

    /// <summary>What fits into that many bytes.</summary>
    /// <exception cref="RequestException">Not even one sequence of full length does.</exception>
    public static CacheSize ForMemory(Gemma4Config config, KeyValueType type, int contextLength, int maxStepTokens, long bytes)
    {
        CacheSize longest = OfText(config, type, contextLength, maxStepTokens);
        CacheSize typical = OfText(config, type, Math.Min(contextLength, TypicalLength), maxStepTokens);
        long least = longest.Bytes(config);
        if (bytes < least)
            throw new RequestException(
                $"the cache may take {bytes} bytes, and one text of {contextLength} tokens needs {least} in {type.Name()}; give it more memory, lower the context length{(type == KeyValueType.Q8_0 ? "" : " or keep keys and values in a smaller type")}");
        double more = (bytes - least) / (double)typical.Bytes(config);
        return new(longest.SlidingBlocks + (int)(more * typical.SlidingBlocks), longest.FullBlocks + (int)(more * typical.FullBlocks), type);
    }

    /// <summary>Memory of keys and values of all layers.</summary>
    public long Bytes(Gemma4Config config)
    {
        long bytes = 0;
        foreach (Gemma4Layer layer in config.Layers)
        {
            if (layer.SharesKeyValues) continue;
            long blocks = layer.IsFull ? FullBlocks : SlidingBlocks;
            bytes += 2 * blocks * KeyValueCache.BlockSize * layer.KeyValueHeads * Type.HeadBytes(layer.HeadDim);
        }
        return bytes;
    }

    /// <summary>Bytes of keys and values that a token sees after that many others.</summary>
    public static long BytesRead(Gemma4Config config, KeyValueType type, int positions)
        => config.Layers.Sum(layer => 2L * layer.KeyValueHeads * type.HeadBytes(layer.HeadDim) * (layer.IsFull ? positions + 1 : Math.Min(positions + 1, config.SlidingWindow)));

    private static CacheSize OfText(Gemma4Config config, KeyValueType type, int length, int maxStepTokens) => new(
        CacheGroup.BlocksNeeded(config.SlidingWindow, KeyValueCache.BlockSize, length, maxStepTokens),
        CacheGroup.BlocksNeeded(null, KeyValueCache.BlockSize, length, maxStepTokens),
        type);
}
