using Lapidary.Models;

namespace Lapidary.KvCache;

/// <summary>How many blocks a cache has in each group.</summary>
public readonly record struct CacheSize(int SlidingBlocks, int FullBlocks)
{
    // Texts are seldom as long as the context. Beyond one full context, memory is shared out as texts of this length use it.
    private const int TypicalLength = 4096;

    /// <summary>For that many sequences of full length.</summary>
    public static CacheSize ForSequences(Gemma4Config config, int contextLength, int maxStepTokens, int sequences)
    {
        CacheSize one = OfText(config, contextLength, maxStepTokens);
        return new(checked(one.SlidingBlocks * sequences), checked(one.FullBlocks * sequences));
    }

    /// <summary>For that many sequences of full length, or for what fits into a quarter of the machine's memory if that is less.</summary>
    public static CacheSize ForMachine(Gemma4Config config, int contextLength, int maxStepTokens, int sequences)
    {
        CacheSize all = ForSequences(config, contextLength, maxStepTokens, sequences);
        long least = OfText(config, contextLength, maxStepTokens).Bytes(config);
        long share = Math.Max(least, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4);
        return all.Bytes(config) <= share ? all : ForMemory(config, contextLength, maxStepTokens, share);
    }

    /// <summary>What fits into that many bytes.</summary>
    /// <exception cref="RequestException">Not even one sequence of full length does.</exception>
    public static CacheSize ForMemory(Gemma4Config config, int contextLength, int maxStepTokens, long bytes)
    {
        CacheSize longest = OfText(config, contextLength, maxStepTokens);
        CacheSize typical = OfText(config, Math.Min(contextLength, TypicalLength), maxStepTokens);
        long least = longest.Bytes(config);
        if (bytes < least)
            throw new RequestException(
                $"the cache may take {bytes} bytes, and one text of {contextLength} tokens needs {least}; give it more memory or lower the context length");
        double more = (bytes - least) / (double)typical.Bytes(config);
        return new(longest.SlidingBlocks + (int)(more * typical.SlidingBlocks), longest.FullBlocks + (int)(more * typical.FullBlocks));
    }

    /// <summary>Memory of keys and values of all layers, in float32.</summary>
    public long Bytes(Gemma4Config config)
    {
        long bytes = 0;
        foreach (Gemma4Layer layer in config.Layers)
        {
            if (layer.SharesKeyValues) continue;
            long blocks = layer.IsFull ? FullBlocks : SlidingBlocks;
            bytes += 2 * sizeof(float) * blocks * KeyValueCache.BlockSize * layer.KeyValueHeads * layer.HeadDim;
        }
        return bytes;
    }

    private static CacheSize OfText(Gemma4Config config, int length, int maxStepTokens) => new(
        CacheGroup.BlocksNeeded(config.SlidingWindow, KeyValueCache.BlockSize, length, maxStepTokens),
        CacheGroup.BlocksNeeded(null, KeyValueCache.BlockSize, length, maxStepTokens));
}
