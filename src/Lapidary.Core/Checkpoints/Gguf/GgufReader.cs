using System.Buffers.Binary;
using System.Text;

namespace Lapidary.Checkpoints.Gguf;

/// <summary>Reads the header of a GGUF file from first byte to last; every length is checked before it is believed.</summary>
internal sealed class GgufReader(MappedFile file)
{
    /// <summary>The format's own limit on keys; tensor names are shorter still.</summary>
    private const int LongestName = 65_535;

    private static readonly UTF8Encoding strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public long Position { get; private set; }

    public long Remaining => file.Length - Position;

    public ReadOnlySpan<byte> Take(long count, string what)
    {
        if (count > Remaining || count > int.MaxValue)
            throw new CheckpointException($"{what} at byte {Position} needs {count} bytes, {Remaining} are present; the file is damaged or the download incomplete");
        ReadOnlySpan<byte> bytes = file.Bytes(Position, (int)count);
        Position += count;
        return bytes;
    }

    public uint UInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(4, what));

    public ulong UInt64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Take(8, what));

    /// <summary>A number of things that take at least so many bytes each; more than the rest of the file can hold is refused.</summary>
    public int Count(string what, int leastBytes)
    {
        ulong count = UInt64(what);
        if (count > (ulong)(Remaining / leastBytes) || count > int.MaxValue)
            throw new CheckpointException($"{what} is {count}, but the {Remaining} bytes that follow hold at most {Remaining / leastBytes}");
        return (int)count;
    }

    /// <summary>A key or a tensor's name.</summary>
    public string Name(string what)
    {
        string name = String(what, LongestName);
        return name.Length > 0 ? name : throw new CheckpointException($"{what} is empty");
    }

    public string String(string what, int longest = int.MaxValue)
    {
        ulong length = UInt64($"the length of {what}");
        if (length > (ulong)longest) throw new CheckpointException($"{what} has {length} bytes, the limit is {longest}");
        long at = Position;
        try
        {
            return strict.GetString(Take((long)length, what));
        }
        catch (DecoderFallbackException exception)
        {
            throw new CheckpointException($"{what} at byte {at} is not UTF-8", exception);
        }
    }

    /// <summary>Passes over that many strings and checks their lengths.</summary>
    public void SkipStrings(int count, string what)
    {
        for (int i = 0; i < count; i++)
        {
            ulong length = UInt64($"the length of {what}[{i}]");
            Take((long)Math.Min(length, long.MaxValue), $"{what}[{i}]");
        }
    }

    public void Seek(long position) => Position = position;
}
