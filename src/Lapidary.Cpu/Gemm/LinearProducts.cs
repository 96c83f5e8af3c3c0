using Lapidary.Cpu.Experts;

namespace Lapidary.Cpu.Gemm;

/// <summary>
/// Products of the same hidden states with several matrices, in as few jobs as their forms allow: workers share the rows of
/// every matrix, or the tokens, and wait for each other once.
/// </summary>
internal sealed unsafe class LinearProducts(WorkerPool pool) : IDisposable
{
    private const int MostAtOnce = 8;
    private const int SharedTokens = 24; // of a worker: two whole tiles, so that taking weights out of their blocks costs little
    private const int FewPieces = 4; // of a worker: to ask whether another has any left costs as much as it may bring
    private const int SmallBytes = 512 << 10; // of weights: they stay in a core's second cache while tokens pass by

    private readonly Product[] products = new Product[MostAtOnce];
    private readonly Workspace written = new();
    private int count;
    private long operations;
    private HiddenForm? form;

    /// <summary>outputs[i] = x · weights[i]ᵀ.</summary>
    public void Run(ReadOnlySpan<ILinear> weights, CpuBuffer x, ReadOnlySpan<IBuffer> outputs)
    {
        form = null;
        HiddenForm? current = null; // of the products not run yet
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[..i].Contains(weights[i])) continue; // copied below
            CpuBuffer output = (CpuBuffer)outputs[i];
            int column = 0;
            foreach (WeightMatrix part in ((CpuLinear)weights[i]).Parts)
            {
                if (count == MostAtOnce || (count > 0 && part.Form != current)) Flush(current, x);
                current = part.Form;
                products[count++] = new Product(part, output.Row(0) + column, output.Stride);
                operations += (long)x.Rows * part.Rows * part.Columns;
                column += part.Rows;
            }
        }
        Flush(current, x);
        for (int i = 1; i < weights.Length; i++)
            if (weights[..i].IndexOf(weights[i]) is >= 0 and var first) Copy((CpuBuffer)outputs[first], (CpuBuffer)outputs[i]);
    }

    public void Dispose() => written.Dispose();

    private void Flush(HiddenForm? current, CpuBuffer x)
    {
        if (count == 0) return;
        if (current is not null && current != form) Write(current, x);
        ProductsJob job = new(pool, products, count, current is null ? null : (byte*)written.Floats, x);
        pool.Run(ref job, operations);
        (count, operations) = (0, 0);
    }

    private void Write(HiddenForm current, CpuBuffer x)
    {
        form = current;
        written.Reserve(x.Rows * current.RowBytes / sizeof(float) + 1);
        WriteFormJob job = new(current, x.Row(0), x.Stride, x.Rows, (byte*)written.Floats);
        pool.Run(ref job, WorkerPool.ElementOperations * x.Rows * x.Columns);
    }

    private static void Copy(CpuBuffer from, CpuBuffer to)
    {
        for (int t = 0; t < from.Rows; t++) new ReadOnlySpan<float>(from.Row(t), from.Columns).CopyTo(new Span<float>(to.Row(t), to.Columns));
    }

    /// <param name="Y">Where the product goes for the first token.</param>
    private readonly record struct Product(WeightMatrix Weights, nint Y, nint Stride)
    {
        public Product(WeightMatrix weights, float* y, nint stride) : this(weights, (nint)y, stride)
        {
        }

        /// <summary>Of the weights, in multiples of their grain.</summary>
        public int RowsOfPiece { get; } = (int)Math.Max(1, Pieces.Bytes * Weights.Rows / (Weights.ByteLength * Weights.Grain)) * Weights.Grain;

        public int PieceCount => (Weights.Rows + RowsOfPiece - 1) / RowsOfPiece;
    }

    /// <param name="written">Hidden states in the form of all the matrices; null for those in float32.</param>
    private readonly struct ProductsJob(WorkerPool pool, Product[] products, int count, byte* written, CpuBuffer x) : IParallelJob
    {
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            int all = 0;
            bool inPieces = true;
            foreach (Product product in products.AsSpan(0, count))
            {
                all += product.PieceCount;
                inPieces &= written != null || !SharesTokens(product.Weights, workers);
            }
            if (inPieces && all >= FewPieces * workers) RunPieces(new Pieces(pool, all, worker, workers));
            else RunShares(worker, workers);
        }

        private void RunPieces(Pieces pieces)
        {
            while (pieces.Next(out int piece))
            {
                int i = 0;
                for (; piece >= products[i].PieceCount; i++) piece -= products[i].PieceCount;
                int from = piece * products[i].RowsOfPiece;
                Multiply(products[i], from, Math.Min(from + products[i].RowsOfPiece, products[i].Weights.Rows));
            }
        }

        private void RunShares(int worker, int workers)
        {
            foreach (Product product in products.AsSpan(0, count))
            {
                WeightMatrix weights = product.Weights;
                if (written == null && SharesTokens(weights, workers))
                {
                    (int first, int end) = Share.Of(x.Rows, worker, workers);
                    if (first < end) weights.Multiply(0, weights.Rows, x.Row(first), x.Stride, end - first, (float*)product.Y + first * product.Stride, product.Stride);
                    continue;
                }
                (int from, int to) = Share.Of(weights.Rows, worker, workers, weights.Grain);
                Multiply(product, from, to);
            }
        }

        private void Multiply(in Product product, int from, int to)
        {
            float* y = (float*)product.Y;
            if (written != null) product.Weights.MultiplyWritten(from, to, written, x.Rows, y, product.Stride);
            else product.Weights.Multiply(from, to, x.Row(0), x.Stride, x.Rows, y, product.Stride);
        }

        /// <summary>
        /// Rows are shared out, so that each weight is read by one core, unless there are too few: a router's. Where weights are small
        /// it costs more that hidden states go from core to core, before a product and after it, and there tokens are.
        /// </summary>
        private bool SharesTokens(WeightMatrix weights, int workers)
            => weights.Rows <= weights.Grain || (x.Rows >= SharedTokens * workers && weights.ByteLength <= SmallBytes);
    }
}
