namespace Lapidary.Quantization;

/// <summary>Which weights share a scale.</summary>
internal enum ScaleStrategy
{
    Tensor,

    /// <summary>A row, i.e. an output.</summary>
    Channel,

    /// <summary>A group of columns of a row.</summary>
    Group,

    /// <summary>A block of rows and columns.</summary>
    Block,
}

/// <summary>The strategy with its extents.</summary>
/// <param name="Columns">Columns of a group or block; 0 for all.</param>
/// <param name="Rows">Rows of a block; else 1.</param>
internal readonly record struct ScaleSharing(ScaleStrategy Strategy, int Columns, int Rows)
{
    public static ScaleSharing PerTensor => new(ScaleStrategy.Tensor, 0, 1);
    public static ScaleSharing PerChannel => new(ScaleStrategy.Channel, 0, 1);
    public static ScaleSharing PerGroup(int columns) => new(ScaleStrategy.Group, columns, 1);
    public static ScaleSharing PerBlock(int rows, int columns) => new(ScaleStrategy.Block, columns, rows);

    public override string ToString() => Strategy switch
    {
        ScaleStrategy.Tensor => "per tensor",
        ScaleStrategy.Channel => "per channel",
        ScaleStrategy.Group => $"g{Columns}",
        _ => $"in blocks of {Rows}x{Columns}",
    };

    /// <summary>Finds the scales and says how to read them.</summary>
    /// <exception cref="CheckpointException">They are missing or of another shape or dtype.</exception>
    public ScaleGrid Read(MatrixParts parts, string part, ReadOnlySpan<DType> dtypes)
    {
        if (Strategy == ScaleStrategy.Tensor) return ScaleGrid.Single(parts.RequireSqueezed(part, dtypes));
        int groups = Columns == 0 ? 1 : (parts.Columns + Columns - 1) / Columns;
        if (Strategy != ScaleStrategy.Block) return ScaleGrid.ByRows(parts.RequireSqueezed(part, dtypes, parts.Rows, groups), groups);

        // Gate and up stacked in one matrix: their blocks begin anew at the half when each was quantised by itself.
        int blocks = Blocks(parts.Rows), half = parts.Rows / 2, twice = 2 * Blocks(half);
        bool halves = parts.IsGateUp && blocks != twice && parts.FindWhole(part) is { } whole && whole.Shape.Count >= 2 && whole.Shape[^2] == twice;
        return ScaleGrid.ByRows(parts.RequireSqueezed(part, dtypes, halves ? twice : blocks, groups), groups, Rows) with { SecondPart = halves ? half : 0 };
    }

    private int Blocks(int rows) => (rows + Rows - 1) / Rows;
}
