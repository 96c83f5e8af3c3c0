using System.Numerics;

namespace Lapidary.Tokenizers;

/// <summary>Pairs of token ids that merge: rank (order of learning) and result. Open addressing on the pair.</summary>
internal sealed class MergeTable
{
    private const ulong Empty = ulong.MaxValue;
    private readonly ulong[] keys;
    private readonly (int Rank, int Result)[] values;
    private readonly int mask;

    public MergeTable(int capacity)
    {
        int slots = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, 2 * capacity + 2));
        keys = new ulong[slots];
        values = new (int, int)[slots];
        Array.Fill(keys, Empty);
        mask = slots - 1;
    }

    /// <summary>A pair that is there already gets the later rank, as in HuggingFace's map.</summary>
    public void Set(int left, int right, int rank, int result)
    {
        ulong key = Key(left, right);
        int slot = Slot(key);
        keys[slot] = key;
        values[slot] = (rank, result);
    }

    public bool TryGet(int left, int right, out int rank, out int result)
    {
        int slot = Slot(Key(left, right));
        (rank, result) = values[slot];
        return keys[slot] != Empty;
    }

    /// <summary>Slots looked at in finding every pair of the table once: about as many as there are pairs.</summary>
    internal long Probes()
    {
        long probes = 0;
        for (int slot = 0; slot < keys.Length; slot++)
            if (keys[slot] != Empty) probes += 1 + ((slot - Home(keys[slot])) & mask);
        return probes;
    }

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private int Slot(ulong key)
    {
        int slot = Home(key);
        while (keys[slot] != key && keys[slot] != Empty) slot = (slot + 1) & mask;
        return slot;
    }

    private int Home(ulong key) => (int)((key * 0x9E3779B97F4A7C15) >> 40) & mask;
}
