using Lapidary.Quantization;

namespace Lapidary.Cpu.Gemm;

/// <summary>Weight matrices stacked by rows.</summary>
internal sealed class CpuLinear(WeightMatrix[] parts) : ILinear
{
    public WeightMatrix[] Parts { get; } = parts;
    public int OutFeatures { get; } = parts.Sum(p => p.Rows);
    public int InFeatures { get; } = parts[0].Columns;
    public long ByteLength { get; } = parts.Sum(p => p.ByteLength);

    public void Dispose()
    {
        foreach (WeightMatrix part in Parts) part.Dispose();
    }
}

/// <summary>Rows looked up where they are stored; nothing is packed.</summary>
internal sealed unsafe class StoredRows(QuantizedMatrix source) : WeightMatrix(source.Rows, source.Columns)
{
    public override long ByteLength => source.ByteLength;

    public override void Multiply(int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
        => throw new InvalidOperationException("a table of embeddings is not multiplied");

    public override void CopyRow(int row, float scale, float* output) => CopyStoredRow(source, row, scale, output);

    public override void Dispose()
    {
        // The rows belong to the checkpoint.
    }
}

internal sealed class CpuEmbedding(WeightMatrix table) : IEmbedding
{
    public WeightMatrix Table { get; } = table;
    public int Rows => Table.Rows;
    public int Columns => Table.Columns;

    public void Dispose() => Table.Dispose();
}

/// <summary>output[t] = table[ids[t]] · scale; tokens are shared out.</summary>
internal readonly unsafe struct EmbedJob(WeightMatrix table, CpuBuffer ids, float scale, CpuBuffer output) : IParallelJob
{
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        (int from, int to) = Share.Of(ids.Rows, worker, workers);
        for (int t = from; t < to; t++) table.CopyRow(ids.IntRow(t)[0], scale, output.Row(t));
    }
}

/// <summary>output[t, j] = x[t] · table[rows[t, j]], the entries shared out among the workers.</summary>
/// <param name="scratch">A row of the table for each worker.</param>
internal readonly unsafe struct LinearRowsJob(WeightMatrix table, CpuBuffer rows, CpuBuffer x, CpuBuffer output, float* scratch) : IParallelJob
{
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        float* weights = scratch + (nint)worker * table.Columns;
        (int from, int to) = Share.Of(rows.Rows * rows.Columns, worker, workers, grain: 16);
        for (int entry = from; entry < to; entry++)
        {
            (int t, int j) = Math.DivRem(entry, rows.Columns);
            table.CopyRow(rows.IntRow(t)[j], 1, weights);
            RowDot<TLane, Float32>.Rows((Float32*)weights, table.Columns, 0, 1, x.Row(t), x.Stride, 1, output.Row(t) + j, output.Stride);
        }
    }
}
