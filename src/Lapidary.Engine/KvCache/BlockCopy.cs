namespace Lapidary.KvCache;

/// <summary>The first positions of a block are to be copied into another of the same group, in every layer.</summary>
public readonly record struct BlockCopy(int Group, int From, int To, int Positions);
