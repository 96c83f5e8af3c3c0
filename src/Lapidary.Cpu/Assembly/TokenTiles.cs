namespace Lapidary.Cpu.Assembly;

/// <summary>How a batch falls into tiles: as few as there can be, of even size, the larger ones first.</summary>
internal readonly struct TokenTiles
{
    /// <summary>Tokens that leave the memory as the bound of their products.</summary>
    public const int Few = 2;

    private readonly int size, larger; // tokens of a tile; tiles that have one more

    /// <param name="most">Tokens of a tile.</param>
    public TokenTiles(int tokens, int most)
    {
        Count = (tokens + most - 1) / most;
        (size, larger) = Count == 0 ? (0, 0) : Math.DivRem(tokens, Count);
    }

    public int Count { get; }

    /// <summary>
    /// Whether kernels for so many tokens ask for weights twice, for the second cache and then for the first: Intel's cores wait for fewer
    /// lines of the first than the memory can bring.
    /// </summary>
    public static bool AsksTwice(int tokens) => tokens <= Few && CpuFeatures.IsIntel;

    /// <summary>First token of a tile; that of the tile after the last is the end.</summary>
    public int First(int tile) => tile * size + Math.Min(tile, larger);

    /// <summary>The tile that a token is in.</summary>
    public int Of(int token)
    {
        int ofLarger = larger * (size + 1);
        return token < ofLarger ? token / (size + 1) : larger + (token - ofLarger) / size;
    }
}
