using System.Runtime.CompilerServices;

namespace Lapidary.Cpu.Attention;

/// <summary>
/// One query head of one token against its cached keys, with a running maximum and sum (online softmax), so that no
/// buffer grows with the context. Keys are taken in ascending position from the first one visible, always in the same
/// tiles, so the result does not depend on the batch.
/// </summary>
internal static unsafe class CausalAttention
{
    private const int TileKeys = 64;

    /// <param name="query">[headDim]</param>
    /// <param name="keys">first key of this head in cache row 0; cache rows are <paramref name="stride"/> apart</param>
    /// <param name="table">block table of the sequence</param>
    /// <param name="first">first visible position</param> <param name="last">position of the query</param>
    /// <param name="output">[headDim]</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Head<TLane>(
        float* query, float* keys, float* values, nint stride, int* table, int blockSize,
        int first, int last, int headDim, float* output)
        where TLane : struct, IFloatLane<TLane>
    {
        float* scores = stackalloc float[TileKeys];
        nint* rows = stackalloc nint[TileKeys];
        float max = float.NegativeInfinity, sum = 0;
        new Span<float>(output, headDim).Clear();

        for (int start = first; start <= last; start += TileKeys)
        {
            int count = Math.Min(TileKeys, last - start + 1);
            float tileMax = float.NegativeInfinity;
            for (int j = 0; j < count; j++)
            {
                int position = start + j;
                rows[j] = ((nint)table[position / blockSize] * blockSize + position % blockSize) * stride;
                scores[j] = Dot<TLane>(query, keys + rows[j], headDim);
                tileMax = MathF.Max(tileMax, scores[j]);
            }

            if (tileMax > max)
            {
                float rescale = MathF.Exp(max - tileMax); // 0 for the first tile
                sum *= rescale;
                ElementWise.Scale<TLane>(output, rescale, headDim);
                max = tileMax;
            }
            sum += ElementWise.ExpSum<TLane>(scores, max, count);
            for (int j = 0; j < count; j++) ElementWise.AddScaled<TLane>(values + rows[j], scores[j], output, headDim);
        }
        ElementWise.Scale<TLane>(output, 1 / sum, headDim);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Dot<TLane>(float* a, float* b, int n) where TLane : struct, IFloatLane<TLane>
    {
        TLane sum = TLane.Zero;
        int i = 0;
        for (; i <= n - TLane.Count; i += TLane.Count) sum = TLane.MultiplyAdd(TLane.Load(a + i), TLane.Load(b + i), sum);
        float result = TLane.Sum(sum);
        for (; i < n; i++) result += a[i] * b[i];
        return result;
    }
}

/// <summary>All heads of all tokens of a step; the heads are shared out among the workers.</summary>
internal readonly unsafe struct AttentionJob(
    CpuBuffer queries, CpuBuffer keys, CpuBuffer values, CpuBuffer positions, CpuBuffer sequences, CpuBuffer blockTables,
    int blockSize, int headDim, int? window, CpuBuffer output) : IParallelJob
{
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        int heads = queries.Columns / headDim, group = heads / (keys.Columns / headDim);
        (int from, int to) = Share.Of(queries.Rows * heads, worker, workers);
        for (int item = from; item < to; item++)
        {
            int token = item / heads, head = item % heads;
            int last = positions.IntRow(token)[0];
            int first = window is { } width ? Math.Max(0, last - width + 1) : 0;
            int column = head / group * headDim;
            float* query = queries.Row(token) + head * headDim, result = output.Row(token) + head * headDim;
            int* table = blockTables.IntRow(sequences.IntRow(token)[0]);
            float* k = keys.Row(0) + column, v = values.Row(0) + column;
            CausalAttention.Head<TLane>(query, k, v, keys.Stride, table, blockSize, first, last, headDim, result);
        }
    }
}
