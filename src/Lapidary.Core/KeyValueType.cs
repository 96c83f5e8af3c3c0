namespace Lapidary;

/// <summary>What cached keys and values are rounded to. Named as in GGUF; the order is that of <see cref="KeyValueTypes.Names"/>.</summary>
public enum KeyValueType
{
    F32,

    /// <summary>The nearest bfloat16, ties to even.</summary>
    BF16,

    /// <summary>Blocks of 32 columns: int8 codes from -127 to 127 times a float32 scale, the largest magnitude / 127.</summary>
    Q8_0,
}

public static class KeyValueTypes
{
    /// <summary>Columns that are stored together. Each head is padded with zeros to whole blocks.</summary>
    public const int BlockColumns = 32;

    private static readonly string[] names = [.. Enum.GetNames<KeyValueType>().Select(name => name.ToLowerInvariant())];

    /// <summary>Every name a user may give, e.g. "bf16"; the index is the <see cref="KeyValueType"/>.</summary>
    public static IReadOnlyList<string> Names => names;

    public static string Name(this KeyValueType type) => names[(int)type];

    /// <exception cref="RequestException">No type has that name; the message lists the known ones.</exception>
    public static KeyValueType Parse(string name)
    {
        int index = Array.IndexOf(names, name);
        if (index < 0) throw new RequestException($"unknown type of keys and values {MessageText.Quote(name)}; known: {string.Join(", ", names)}");
        return (KeyValueType)index;
    }

    /// <summary>Bytes of one key or value of one head of one position.</summary>
    public static int HeadBytes(this KeyValueType type, int headDim) => (headDim + BlockColumns - 1) / BlockColumns * type.BlockBytes();

    /// <summary>Bytes of <see cref="BlockColumns"/> columns.</summary>
    public static int BlockBytes(this KeyValueType type) => type switch
    {
        KeyValueType.F32 => BlockColumns * sizeof(float),
        KeyValueType.BF16 => BlockColumns * sizeof(ushort),
        KeyValueType.Q8_0 => sizeof(float) + BlockColumns,
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };
}
