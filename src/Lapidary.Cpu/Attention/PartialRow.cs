namespace Lapidary.Cpu.Attention;

/// <summary>
/// What is known of a query's result after some positions: the largest score, Σ e^(score - largest), and per column
/// Σ e^(score - largest) · value. A row of floats: those two, room up to a register, then the columns.
/// </summary>
internal static unsafe class PartialRow
{
    private const int Columns = 16;

    public static int Length(int dim) => Columns + dim;

    public static ref float Max(float* row) => ref row[0];

    public static ref float Sum(float* row) => ref row[1];

    public static float* Values(float* row) => row + Columns;

    public static void Clear(float* row, int dim)
    {
        (Max(row), Sum(row)) = (float.NegativeInfinity, 0);
        new Span<float>(Values(row), dim).Clear();
    }

    public static void Copy(float* row, float* target, int dim)
        => new ReadOnlySpan<float>(row, Length(dim)).CopyTo(new Span<float>(target, Length(dim)));

    /// <summary>Adds what later positions gave.</summary>
    public static void Merge<TLane>(float* later, float* row, int dim) where TLane : struct, IFloatLane<TLane>
    {
        float max = MathF.Max(Max(row), Max(later)), shrink = MathF.Exp(Max(row) - max), shrinkLater = MathF.Exp(Max(later) - max);
        (Max(row), Sum(row)) = (max, Sum(row) * shrink + Sum(later) * shrinkLater);
        TLane a = TLane.Broadcast(shrink), b = TLane.Broadcast(shrinkLater);
        float* x = Values(later), y = Values(row);
        for (int i = 0; i < dim; i += TLane.Count) TLane.Store(TLane.MultiplyAdd(TLane.Load(x + i), b, TLane.Load(y + i) * a), y + i);
    }

    /// <summary>The result itself, without the padding.</summary>
    public static void Finish<TLane>(float* row, float* output, int headDim) where TLane : struct, IFloatLane<TLane>
    {
        new ReadOnlySpan<float>(Values(row), headDim).CopyTo(new Span<float>(output, headDim));
        ElementWise.Scale<TLane>(output, 1 / Sum(row), headDim);
    }
}
