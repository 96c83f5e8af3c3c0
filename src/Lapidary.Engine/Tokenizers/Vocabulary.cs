using System.Numerics;
using System.Text;

namespace Lapidary.Tokenizers;

/// <summary>Token texts as UTF-8 in one block, found by id or by text. Ids need not be dense.</summary>
internal sealed class Vocabulary
{
    private const int Empty = -1;
    private byte[] bytes;
    private int used;
    private int[] start, length; // by id; length -1: no such id
    private int[] table;         // hash → id
    private int mask;

    public Vocabulary(int capacity)
    {
        bytes = new byte[Math.Max(256, capacity * 8)];
        start = new int[capacity];
        length = new int[capacity];
        Array.Fill(length, Empty);
        table = NewTable(capacity);
        mask = table.Length - 1;
    }

    /// <summary>One more than the largest id.</summary>
    public int Size { get; private set; }

    /// <summary>Tokens present.</summary>
    public int Count { get; private set; }

    public bool Contains(int id) => (uint)id < (uint)Size && length[id] >= 0;

    public ReadOnlySpan<byte> Text(int id) => bytes.AsSpan(start[id], length[id]);

    /// <summary>The id of that text, or -1.</summary>
    public int Find(ReadOnlySpan<byte> text)
    {
        for (int slot = Hash(text) & mask; table[slot] != Empty; slot = (slot + 1) & mask)
            if (Text(table[slot]).SequenceEqual(text)) return table[slot];
        return -1;
    }

    public int Find(string text)
    {
        Span<byte> utf8 = text.Length <= 64 ? stackalloc byte[256] : new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        return Find(utf8[..Encoding.UTF8.GetBytes(text, utf8)]);
    }

    /// <summary>False when the id is taken.</summary>
    public bool TryAdd(ReadOnlySpan<byte> text, int id)
    {
        if (id >= start.Length) GrowIds(id);
        if (length[id] != Empty) return false;
        if (used + text.Length > bytes.Length) Array.Resize(ref bytes, Math.Max(2 * bytes.Length, used + text.Length));
        text.CopyTo(bytes.AsSpan(used));
        (start[id], length[id]) = (used, text.Length);
        used += text.Length;
        Size = Math.Max(Size, id + 1);
        if (2 * ++Count > table.Length) Rehash();
        else Insert(id);
        return true;
    }

    private static int[] NewTable(int capacity)
    {
        var slots = new int[BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, 2 * capacity + 2))];
        Array.Fill(slots, Empty);
        return slots;
    }

    private static int Hash(ReadOnlySpan<byte> text)
    {
        uint hash = 2166136261; // FNV-1a: texts are short
        foreach (byte b in text) hash = (hash ^ b) * 16777619;
        return (int)((hash ^ (hash >> 15)) & int.MaxValue);
    }

    private void Insert(int id)
    {
        int slot = Hash(Text(id)) & mask;
        while (table[slot] != Empty) slot = (slot + 1) & mask;
        table[slot] = id;
    }

    private void Rehash()
    {
        table = NewTable(2 * Count);
        mask = table.Length - 1;
        for (int id = 0; id < Size; id++)
            if (length[id] != Empty) Insert(id);
    }

    private void GrowIds(int id)
    {
        int old = start.Length, size = Math.Max(2 * old, id + 1);
        Array.Resize(ref start, size);
        Array.Resize(ref length, size);
        Array.Fill(length, Empty, old, size - old);
    }
}
