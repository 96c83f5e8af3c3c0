using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Lapidary.KvCache;

/// <summary>
/// Names what a full cache block holds: its tokens and all before them, and everything else its keys and values depend on.
/// 128 bits under a key drawn at start, so that nobody can work out a prompt that finds another's blocks.
/// </summary>
public readonly record struct BlockHash(UInt128 Value)
{
    private static readonly long Key = Random.Shared.NextInt64(long.MinValue, long.MaxValue);

    /// <summary>What a sequence's first block follows.</summary>
    /// <param name="adapter">Changes keys and values: texts with different adapters share nothing.</param>
    /// <param name="salt">Separates users that must not learn of each other's prompts.</param>
    public static BlockHash Root(string? adapter, string? salt)
        => new(XxHash128.HashToUInt128(MemoryMarshal.AsBytes($"{adapter?.Length ?? -1}:{adapter}:{salt?.Length ?? -1}:{salt}".AsSpan()), Key));

    /// <summary>The hash of the block of <paramref name="tokens"/> that follows the block with this hash.</summary>
    public BlockHash Next(ReadOnlySpan<int> tokens)
    {
        Span<byte> text = stackalloc byte[16 + KeyValueCache.BlockSize * sizeof(int)];
        MemoryMarshal.Write(text, Value);
        MemoryMarshal.AsBytes(tokens).CopyTo(text[16..]);
        return new(XxHash128.HashToUInt128(text, Key));
    }
}
