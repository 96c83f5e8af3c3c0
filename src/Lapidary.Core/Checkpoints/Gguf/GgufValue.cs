using System.Buffers.Binary;

namespace Lapidary.Checkpoints.Gguf;

/// <summary>Types of metadata values, with the numbers they have in the file.</summary>
public enum GgufValueType : uint
{
    UInt8, Int8, UInt16, Int16, UInt32, Int32, Float32, Bool, String, Array, UInt64, Int64, Float64,
}

/// <summary>A metadata value that stays in the mapped file until it is asked for; a vocabulary is 262,144 strings.</summary>
internal sealed class GgufValue
{
    private readonly MappedFile file;
    private readonly long position;

    private GgufValue(MappedFile file, string key, GgufValueType type, int? count, long position)
    {
        this.file = file;
        this.position = position;
        Key = key;
        Type = type;
        Count = count;
    }

    public string Key { get; }

    /// <summary>Of the value, or of an array's elements.</summary>
    public GgufValueType Type { get; }

    /// <summary>Elements of an array; null for a single value.</summary>
    public int? Count { get; }

    /// <summary>Reads past a value and checks it.</summary>
    public static GgufValue Read(GgufReader reader, MappedFile file, string key)
    {
        GgufValueType type = TypeOf(reader, key);
        if (type != GgufValueType.Array)
        {
            GgufValue single = new(file, key, type, null, reader.Position);
            Skip(reader, type, 1, key);
            return single;
        }
        GgufValueType element = TypeOf(reader, key);
        if (element == GgufValueType.Array) throw new CheckpointException($"metadata {MessageText.Quote(key)} is an array of arrays, which nothing here reads");
        int count = reader.Count($"the length of metadata {MessageText.Quote(key)}", element == GgufValueType.String ? 8 : Size(element));
        GgufValue array = new(file, key, element, count, reader.Position);
        Skip(reader, element, count, key);
        return array;
    }

    public string[] Strings()
    {
        GgufReader reader = At(GgufValueType.String);
        string[] values = new string[Count ?? 1];
        for (int i = 0; i < values.Length; i++) values[i] = reader.String(Key);
        return values;
    }

    public double[] Numbers()
    {
        if (Type is GgufValueType.String) throw Wrong("numbers");
        GgufReader reader = At(Type);
        double[] values = new double[Count ?? 1];
        for (int i = 0; i < values.Length; i++) values[i] = Number(reader.Take(Size(Type), Key));
        return values;
    }

    public CheckpointException Wrong(string expected)
        => new($"metadata {MessageText.Quote(Key)} is {(Count is { } n ? $"an array of {n} {Type}" : $"one {Type}")}, expected {expected}");

    private GgufReader At(GgufValueType type)
    {
        if (Type != type) throw Wrong(type.ToString());
        GgufReader reader = new(file);
        reader.Seek(position);
        return reader;
    }

    private double Number(ReadOnlySpan<byte> bytes) => Type switch
    {
        GgufValueType.UInt8 or GgufValueType.Bool => bytes[0],
        GgufValueType.Int8 => (sbyte)bytes[0],
        GgufValueType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
        GgufValueType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(bytes),
        GgufValueType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
        GgufValueType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
        GgufValueType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(bytes),
        GgufValueType.UInt64 => BinaryPrimitives.ReadUInt64LittleEndian(bytes),
        GgufValueType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(bytes),
        GgufValueType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(bytes),
        _ => throw Wrong("a number"),
    };

    private static GgufValueType TypeOf(GgufReader reader, string key)
    {
        uint type = reader.UInt32($"the type of metadata {MessageText.Quote(key)}");
        return type <= (uint)GgufValueType.Float64
            ? (GgufValueType)type
            : throw new CheckpointException($"metadata {MessageText.Quote(key)} has type {type}, expected 0 to {(uint)GgufValueType.Float64}");
    }

    private static void Skip(GgufReader reader, GgufValueType type, int count, string key)
    {
        string what = $"metadata {MessageText.Quote(key)}";
        if (type == GgufValueType.String) reader.SkipStrings(count, what);
        else reader.Take((long)count * Size(type), what);
    }

    private static int Size(GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        _ => 8,
    };
}
