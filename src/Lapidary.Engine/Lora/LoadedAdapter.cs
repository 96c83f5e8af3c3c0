namespace Lapidary.Lora;

/// <summary>An adapter that sequences can use.</summary>
public sealed class LoadedAdapter
{
    private int running;

    internal LoadedAdapter(string name, string folder, AdapterUpdates updates, int slot, long generation)
    {
        Name = name;
        Folder = folder;
        Updates = updates;
        Slot = slot;
        CacheKey = $"{name}#{generation}";
    }

    public string Name { get; }
    public string Folder { get; }
    public DateTimeOffset Loaded { get; } = DateTimeOffset.UtcNow;
    public LoraConfig Config => Updates.Config;

    /// <summary>What tokens of a step carry.</summary>
    public int Slot { get; }

    /// <summary>For keys and values computed with it; never that of another adapter, one of the same name included.</summary>
    public string CacheKey { get; }

    /// <summary>Sequences that use it now, running or waiting.</summary>
    public int Holders { get; internal set; }

    /// <summary>Those of them that are being computed.</summary>
    public int Running => Volatile.Read(ref running);

    /// <summary>Those that wait, preempted ones included.</summary>
    public int Waiting => Math.Max(0, Holders - Running);

    /// <summary>No longer to be found, and gone when nobody holds it.</summary>
    public bool IsDropped { get; internal set; }

    internal AdapterUpdates Updates { get; }

    /// <summary>A sequence that holds it is computed from now on. Called by the engine's thread only.</summary>
    internal void Start() => running++;

    /// <summary>A sequence that was computed ends or waits again.</summary>
    internal void Stop() => running--;
}

/// <summary>One adapter's updates on the device, and the places in the model they are for.</summary>
internal sealed class AdapterUpdates : IDisposable
{
    private readonly List<(LoraSlots<ILora> Site, ILora Update)> updates = [];
    private readonly List<(LoraSlots<IExpertLora> Site, IExpertLora Update)> expertUpdates = [];

    public AdapterUpdates(LoraAdapter adapter, IKernels kernels)
    {
        Config = adapter.Config;
        foreach ((LinearSite site, LoraWeights weights) in adapter.Linears) updates.Add((site.Updates, kernels.LoadLora(weights)));
        foreach ((EmbeddingSite site, LoraWeights weights) in adapter.Embeddings) updates.Add((site.Updates, kernels.LoadEmbeddingLora(weights)));
        foreach ((ExpertSite site, ExpertLoraWeights weights) in adapter.Experts) expertUpdates.Add((site.Updates, kernels.LoadExpertLora(weights)));
        Rank = updates.Select(u => u.Update.Rank).Concat(expertUpdates.Select(u => u.Update.Rank)).Max();
    }

    public LoraConfig Config { get; }

    /// <summary>The largest.</summary>
    public int Rank { get; }

    /// <summary>Puts them into a slot at every place.</summary>
    public void Fill(int slot)
    {
        foreach ((LoraSlots<ILora> site, ILora update) in updates) site[slot] = update;
        foreach ((LoraSlots<IExpertLora> site, IExpertLora update) in expertUpdates) site[slot] = update;
    }

    /// <summary>Empties the slot and frees the device's memory.</summary>
    public void Clear(int slot)
    {
        foreach ((LoraSlots<ILora> site, _) in updates) site[slot] = null;
        foreach ((LoraSlots<IExpertLora> site, _) in expertUpdates) site[slot] = null;
        Dispose();
    }

    public void Dispose()
    {
        foreach ((_, ILora update) in updates) update.Dispose();
        foreach ((_, IExpertLora update) in expertUpdates) update.Dispose();
    }
}
