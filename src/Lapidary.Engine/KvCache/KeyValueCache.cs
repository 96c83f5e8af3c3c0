using Lapidary.Models;

namespace Lapidary.KvCache;

/// <summary>Keys and values of one layer, in slots of positions.</summary>
public sealed record LayerCache(IKeyValues KeysValues, int Group);

/// <summary>
/// Paged keys and values of all layers. Sliding layers keep only their window; kv-shared layers have none of their own.
/// </summary>
public sealed class KeyValueCache : IDisposable
{
    public const int SlidingGroup = 0, FullGroup = 1;
    internal const int BlockSize = 16;

    private readonly LayerCache?[] layers;

    /// <param name="contextLength">Most positions of one sequence.</param>
    /// <param name="maxStepTokens">Most tokens one step brings.</param>
    /// <param name="sequences">Sequences of full length that fit at once.</param>
    /// <param name="type">What keys and values are rounded to; null for what suits the device.</param>
    public KeyValueCache(IKernels kernels, Gemma4Config config, int contextLength, int maxStepTokens, int sequences = 1, KeyValueType? type = null)
        : this(kernels, config, contextLength, CacheSize.ForSequences(config, type ?? kernels.DefaultKeyValueType, contextLength, maxStepTokens, sequences))
    {
    }

    /// <param name="contextLength">Most positions of one sequence.</param>
    public KeyValueCache(IKernels kernels, Gemma4Config config, int contextLength, CacheSize size)
    {
        ContextLength = contextLength;
        Type = size.Type;
        ByteLength = size.Bytes(config);
        Groups = [new(config.SlidingWindow, BlockSize, new BlockPool(size.SlidingBlocks)), new(null, BlockSize, new BlockPool(size.FullBlocks))];
        layers = new LayerCache?[config.Layers.Count];
        foreach (Gemma4Layer layer in config.Layers)
        {
            if (layer.SharesKeyValues) continue;
            int group = layer.IsFull ? FullGroup : SlidingGroup;
            layers[layer.Index] = new LayerCache(
                kernels.AllocateKeyValues(size.Type, Groups[group].Pool.Blocks, BlockSize, layer.KeyValueHeads, layer.HeadDim), group);
        }
    }

    public int ContextLength { get; }

    /// <summary>What keys and values are rounded to.</summary>
    public KeyValueType Type { get; }

    /// <summary>Memory of all blocks.</summary>
    public long ByteLength { get; }
    public IReadOnlyList<CacheGroup> Groups { get; }

    /// <summary>Share of the blocks that sequences hold, of the group that is fuller: 0 to 1.</summary>
    public double Usage
    {
        get
        {
            double usage = 0;
            for (int g = 0; g < Groups.Count; g++) usage = Math.Max(usage, 1 - (double)Groups[g].Pool.Free / Groups[g].Pool.Blocks);
            return usage;
        }
    }

    public LayerCache this[int cacheLayer]
        => layers[cacheLayer] ?? throw new ArgumentOutOfRangeException(nameof(cacheLayer));

    public CacheSequence NewSequence() => NewSequence(ContextLength, BlockHash.Root(null, null));

    /// <param name="maxLength">Most positions it will have.</param>
    /// <param name="root">What its keys and values depend on beside its tokens; null for one that shares nothing, whose blocks are taken again first.</param>
    public CacheSequence NewSequence(int maxLength, BlockHash? root) => new(Groups, maxLength, root);

    /// <summary>Copies in every layer of a group.</summary>
    public void Copy(IKernels kernels, BlockCopy copy)
    {
        foreach (LayerCache? layer in layers)
            if (layer?.Group == copy.Group) kernels.CopyKeysValues(layer.KeysValues, copy.From, copy.To, copy.Positions);
    }

    public void Dispose()
    {
        foreach (LayerCache? layer in layers) layer?.KeysValues.Dispose();
    }
}
