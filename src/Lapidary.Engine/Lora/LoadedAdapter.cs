namespace Lapidary.Lora;

/// <summary>An adapter that has been read and lies on the device, but in no slot yet.</summary>
public sealed class PreparedAdapter : IDisposable
{
    internal PreparedAdapter(string name, LoraAdapter adapter, IKernels kernels)
    {
        Name = name;
        Folder = adapter.Folder;
        Config = adapter.Config;
        foreach ((LinearSite site, LoraWeights weights) in adapter.Linears) Updates.Add((site.Updates, kernels.LoadLora(weights)));
        foreach ((EmbeddingSite site, LoraWeights weights) in adapter.Embeddings) Updates.Add((site.Updates, kernels.LoadEmbeddingLora(weights)));
        foreach ((ExpertSite site, ExpertLoraWeights weights) in adapter.Experts) ExpertUpdates.Add((site.Updates, kernels.LoadExpertLora(weights)));
    }

    public string Name { get; }
    public string Folder { get; }
    public LoraConfig Config { get; }

    internal List<(LoraSlots<ILora> Site, ILora Update)> Updates { get; } = [];
    internal List<(LoraSlots<IExpertLora> Site, IExpertLora Update)> ExpertUpdates { get; } = [];

    internal int Rank => Updates.Select(u => u.Update.Rank).Concat(ExpertUpdates.Select(u => u.Update.Rank)).Max();

    /// <summary>Frees the device's memory.</summary>
    public void Dispose()
    {
        foreach ((_, ILora update) in Updates) update.Dispose();
        foreach ((_, IExpertLora update) in ExpertUpdates) update.Dispose();
    }
}

/// <summary>An adapter that sequences can use.</summary>
public sealed class LoadedAdapter
{
    private readonly PreparedAdapter prepared;

    internal LoadedAdapter(PreparedAdapter prepared, int slot, long generation)
    {
        this.prepared = prepared;
        Slot = slot;
        CacheKey = $"{prepared.Name}#{generation}";
    }

    public string Name => prepared.Name;
    public string Folder => prepared.Folder;
    public LoraConfig Config => prepared.Config;

    /// <summary>What tokens of a step carry.</summary>
    public int Slot { get; }

    /// <summary>For keys and values computed with it; never that of another adapter, one of the same name included.</summary>
    public string CacheKey { get; }

    /// <summary>Sequences that use it now.</summary>
    public int Users { get; internal set; }

    /// <summary>No longer to be found, and gone when its last user is.</summary>
    public bool IsDropped { get; internal set; }

    /// <summary>Puts its updates into its slot at every site.</summary>
    internal void Fill()
    {
        foreach ((LoraSlots<ILora> site, ILora update) in prepared.Updates) site[Slot] = update;
        foreach ((LoraSlots<IExpertLora> site, IExpertLora update) in prepared.ExpertUpdates) site[Slot] = update;
    }

    /// <summary>Empties the slot and frees the device's memory.</summary>
    internal void Empty()
    {
        foreach ((LoraSlots<ILora> site, _) in prepared.Updates) site[Slot] = null;
        foreach ((LoraSlots<IExpertLora> site, _) in prepared.ExpertUpdates) site[Slot] = null;
        prepared.Dispose();
    }
}
