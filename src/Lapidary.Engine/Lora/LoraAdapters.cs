using System.Collections.Immutable;

namespace Lapidary.Lora;

/// <summary>
/// The adapters of an open model, each in one of a fixed number of slots. <see cref="Prepare"/> and <see cref="Find"/> may be
/// called from any thread; all else only between steps, by the thread that owns the model.
/// </summary>
public sealed class LoraAdapters : IDisposable
{
    private readonly IKernels kernels;
    private readonly LoraSites sites;
    private readonly Action<int> reserveRank;
    private readonly LoadedAdapter?[] slots; // dropped ones that are still in use included
    private volatile ImmutableSortedDictionary<string, LoadedAdapter> byName = ImmutableSortedDictionary.Create<string, LoadedAdapter>(StringComparer.Ordinal);
    private long generation;

    /// <param name="reserveRank">Makes room for updates of a rank.</param>
    internal LoraAdapters(IKernels kernels, LoraSites sites, Action<int> reserveRank)
    {
        this.kernels = kernels;
        this.sites = sites;
        this.reserveRank = reserveRank;
        slots = new LoadedAdapter?[sites.Slots];
    }

    /// <summary>Most adapters at once.</summary>
    public int Slots => slots.Length;

    /// <summary>By name, those in use but dropped left out.</summary>
    public IEnumerable<LoadedAdapter> Loaded => byName.Values;

    /// <summary>The adapter of that name.</summary>
    /// <exception cref="AdapterException">There is none; the message lists those there are.</exception>
    public LoadedAdapter Find(string name) => byName.TryGetValue(name, out LoadedAdapter? adapter)
        ? adapter
        : throw new AdapterException($"no adapter {MessageText.Quote(name)} is loaded; {(byName.IsEmpty ? "none is" : $"loaded: {MessageText.Some(byName.Keys, 10)}")}");

    /// <summary>Reads an adapter and copies it to the device. Its files are not needed afterwards.</summary>
    /// <param name="folder">adapter_config.json and adapter_model.safetensors, as PEFT saves them.</param>
    /// <exception cref="LapidaryException">It cannot be served on this model; the message says why.</exception>
    public PreparedAdapter Prepare(string folder, string name)
    {
        if (name.Length == 0) throw new AdapterException($"{folder}: an adapter needs a name");
        if (Slots == 0) throw new AdapterException($"{folder}: the model was opened without room for adapters (max_loras is 0)");
        using LoraAdapter adapter = LoraAdapter.Open(folder, sites);
        return new PreparedAdapter(name, adapter, kernels);
    }

    /// <summary>Puts a prepared adapter into a free slot; it belongs to this object from now on.</summary>
    /// <exception cref="AdapterException">The name is taken or no slot is free.</exception>
    public LoadedAdapter Install(PreparedAdapter prepared)
    {
        if (byName.TryGetValue(prepared.Name, out LoadedAdapter? present))
            throw new AdapterException($"an adapter {MessageText.Quote(prepared.Name)} is loaded already, from {present.Folder}; drop it first or choose another name");
        int slot = Array.IndexOf(slots, null);
        if (slot < 0)
            throw new AdapterException($"all {Slots} adapter slots are taken, by {MessageText.Some(slots.Select(s => s!.Name), 10)}; drop one or raise max_loras");
        reserveRank(prepared.Rank);
        LoadedAdapter adapter = new(prepared, slot, ++generation);
        slots[slot] = adapter;
        adapter.Fill();
        byName = byName.Add(adapter.Name, adapter);
        return adapter;
    }

    /// <summary><see cref="Prepare"/> and <see cref="Install"/>.</summary>
    /// <exception cref="LapidaryException">It cannot be served on this model; the message says why.</exception>
    public LoadedAdapter Load(string folder, string name)
    {
        PreparedAdapter prepared = Prepare(folder, name);
        try
        {
            return Install(prepared);
        }
        catch
        {
            prepared.Dispose();
            throw;
        }
    }

    /// <summary>Nobody can start to use it any more; its slot is free once nobody does.</summary>
    /// <exception cref="AdapterException">No adapter of that name is loaded.</exception>
    public void Drop(string name)
    {
        LoadedAdapter adapter = Find(name);
        byName = byName.Remove(name);
        adapter.IsDropped = true;
        FreeIfUnused(adapter);
    }

    /// <summary>A sequence begins to use the adapter of that name: it stays until <see cref="Release"/>, even when dropped.</summary>
    /// <exception cref="AdapterException">There is none.</exception>
    public LoadedAdapter Hold(string name)
    {
        LoadedAdapter adapter = Find(name);
        adapter.Users++;
        return adapter;
    }

    public void Release(LoadedAdapter adapter)
    {
        adapter.Users--;
        FreeIfUnused(adapter);
    }

    public void Dispose()
    {
        foreach (LoadedAdapter? adapter in slots) adapter?.Empty();
        Array.Clear(slots);
        byName = byName.Clear();
    }

    private void FreeIfUnused(LoadedAdapter adapter)
    {
        if (!adapter.IsDropped || adapter.Users > 0) return;
        adapter.Empty();
        slots[adapter.Slot] = null;
    }
}
