using System.Collections.Immutable;

namespace Lapidary.Lora;

/// <summary>
/// The adapters of an open model, each in one of a fixed number of slots. Safe for concurrent use, also while a step is
/// computed: a slot is filled before anybody can hold its adapter, and emptied when nobody does.
/// </summary>
public sealed class LoraAdapters : IDisposable
{
    private readonly IKernels kernels;
    private readonly LoraSites sites;
    private readonly Lock changing = new();
    private readonly LoadedAdapter?[] slots; // dropped ones that are still held included
    private volatile ImmutableSortedDictionary<string, LoadedAdapter> byName = ImmutableSortedDictionary.Create<string, LoadedAdapter>(StringComparer.Ordinal);
    private volatile int rank;
    private long generation;

    internal LoraAdapters(IKernels kernels, LoraSites sites)
    {
        this.kernels = kernels;
        this.sites = sites;
        slots = new LoadedAdapter?[sites.Slots];
    }

    /// <summary>Most adapters at once.</summary>
    public int Slots => slots.Length;

    /// <summary>The largest rank there has been.</summary>
    public int Rank => rank;

    /// <summary>In the order of names, those that are dropped but still held left out.</summary>
    public IEnumerable<LoadedAdapter> Loaded => byName.Values;

    /// <summary>The adapter of that name.</summary>
    /// <exception cref="AdapterException">There is none; the message lists those there are.</exception>
    public LoadedAdapter Find(string name) => byName.TryGetValue(name, out LoadedAdapter? adapter)
        ? adapter
        : throw new AdapterException($"no adapter {MessageText.Quote(name)} is loaded; {(byName.IsEmpty ? "none is" : $"loaded: {MessageText.Some(byName.Keys, 10)}")}");

    /// <summary>Reads an adapter, copies it to the device and gives it a slot. Its files are not needed afterwards.</summary>
    /// <param name="folder">adapter_config.json and adapter_model.safetensors, as PEFT saves them.</param>
    /// <param name="replace">An adapter of that name makes room once this one has been read; who holds it keeps it to the end.</param>
    /// <exception cref="LapidaryException">It cannot be served on this model, its name is taken or no slot is free; the message says why.</exception>
    public LoadedAdapter Load(string folder, string name, bool replace = false)
    {
        if (name.Length == 0) throw new AdapterException($"{folder}: an adapter needs a name");
        if (Slots == 0) throw new AdapterException($"{folder}: the model was opened without room for adapters (--max-loras is 0)");
        CheckRoom(name, replace);
        AdapterUpdates updates;
        using (LoraAdapter adapter = LoraAdapter.Open(folder, sites)) updates = new AdapterUpdates(adapter, kernels);
        try
        {
            lock (changing) return Install(folder, name, updates, replace);
        }
        catch
        {
            updates.Dispose();
            throw;
        }
    }

    /// <summary>Nobody can begin to use it any more; its slot is free once nobody holds it.</summary>
    /// <exception cref="AdapterException">No adapter of that name is loaded.</exception>
    public void Drop(string name)
    {
        lock (changing)
        {
            LoadedAdapter adapter = Find(name);
            byName = byName.Remove(name);
            adapter.IsDropped = true;
            FreeIfUnused(adapter);
        }
    }

    /// <summary>Sequences begin to use the adapter of that name, which stays until each has released it, even when dropped.</summary>
    /// <exception cref="AdapterException">There is none.</exception>
    public LoadedAdapter Hold(string name, int sequences = 1)
    {
        lock (changing)
        {
            LoadedAdapter adapter = Find(name);
            adapter.Holders += sequences;
            return adapter;
        }
    }

    public void Release(LoadedAdapter adapter, int sequences = 1)
    {
        lock (changing)
        {
            adapter.Holders -= sequences;
            FreeIfUnused(adapter);
        }
    }

    /// <summary>Frees all, held or not.</summary>
    public void Dispose()
    {
        foreach (LoadedAdapter? adapter in slots) adapter?.Updates.Clear(adapter.Slot);
        Array.Clear(slots);
        byName = byName.Clear();
    }

    /// <returns>A free slot, or the one that the adapter to be replaced will free.</returns>
    private int CheckRoom(string name, bool replace)
    {
        if (byName.TryGetValue(name, out LoadedAdapter? present) && !replace)
            throw new AdapterException($"an adapter {MessageText.Quote(name)} is loaded already, from {present.Folder}; drop it first or choose another name");
        int slot = Array.IndexOf(slots, null);
        if (slot < 0 && present is { Holders: 0 }) slot = present.Slot;
        return slot >= 0
            ? slot
            : throw new AdapterException($"all {Slots} adapter slots are taken, by {MessageText.Some(slots.Select(s => s!.Name), 10)}; drop one or raise --max-loras");
    }

    private LoadedAdapter Install(string folder, string name, AdapterUpdates updates, bool replace)
    {
        int slot = CheckRoom(name, replace);
        if (byName.ContainsKey(name)) Drop(name);
        LoadedAdapter adapter = new(name, folder, updates, slot, ++generation);
        rank = Math.Max(rank, updates.Rank);
        updates.Fill(slot);
        slots[slot] = adapter;
        byName = byName.Add(name, adapter);
        return adapter;
    }

    private void FreeIfUnused(LoadedAdapter adapter)
    {
        if (!adapter.IsDropped || adapter.Holders > 0) return;
        adapter.Updates.Clear(adapter.Slot);
        slots[adapter.Slot] = null;
    }
}
