namespace Lapidary.KvCache;

/// <summary>
/// Layers that keep the same positions: all full layers, or all sliding layers. They share one block table per sequence;
/// each layer has its own rows for the blocks.
/// </summary>
/// <param name="Window">Positions a query sees; null when all are kept.</param>
/// <param name="BlockSize">Positions per block.</param>
/// <param name="Pool">Blocks of the group.</param>
public sealed record CacheGroup(int? Window, int BlockSize, BlockPool Pool)
{
    /// <summary>First position still needed when the next query is at <paramref name="position"/>.</summary>
    public int FirstNeeded(int position) => Window is { } window ? Math.Max(0, position - window + 1) : 0;

    /// <summary>Blocks that a sequence of that many positions holds at most, when steps bring up to that many tokens.</summary>
    public int BlocksNeeded(int positions, int maxStepTokens) => BlocksNeeded(Window, BlockSize, positions, maxStepTokens);

    /// <inheritdoc cref="BlocksNeeded(int, int)"/>
    public static int BlocksNeeded(int? window, int blockSize, int positions, int maxStepTokens)
    {
        int all = (positions + blockSize - 1) / blockSize;
        // One more, since a window seldom starts on a block border.
        return window is { } width ? Math.Min(all, (width - 1 + maxStepTokens + blockSize - 1) / blockSize + 1) : all;
    }
}
