using Lapidary.Checkpoints;

namespace Lapidary.Cpu.Gemm;

/// <summary>Dot products of weight rows with tokens, closed over the element type and the machine's vector width at load.</summary>
internal abstract unsafe class WeightMatrix
{
    protected WeightMatrix(StoredTensor tensor)
    {
        Tensor = tensor;
        Rows = checked((int)tensor.Shape[0]);
        Columns = checked((int)tensor.Shape[1]);
    }

    /// <summary>Kept so that the mapped file stays open.</summary>
    protected StoredTensor Tensor { get; }
    public int Rows { get; }
    public int Columns { get; }

    /// <summary>y[t, o] = x[t] · w[o] for o in [from, to).</summary>
    public abstract void Multiply(int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride);

    /// <summary>output = w[row] * scale.</summary>
    public abstract void CopyRow(int row, float scale, float* output);

    public static WeightMatrix Load(StoredTensor tensor) => CpuFeatures.VectorBits switch
    {
        512 => Load<V16>(tensor),
        256 => Load<V8>(tensor),
        _ => Load<V4>(tensor),
    };

    private static WeightMatrix Load<TLane>(StoredTensor tensor) where TLane : struct, IFloatLane<TLane> => tensor.DType switch
    {
        DType.F32 => new Of<TLane, Float32>(tensor),
        DType.BF16 => new Of<TLane, BFloat16>(tensor),
        DType.F16 => new Of<TLane, Float16>(tensor),
        _ => throw new BackendException(
            $"tensor \"{tensor.Name}\" has dtype {tensor.DType}; the CPU multiplies F32, F16 and BF16 weights"),
    };

    private sealed class Of<TLane, TWeight>(StoredTensor tensor) : WeightMatrix(tensor)
        where TLane : struct, IFloatLane<TLane>
        where TWeight : unmanaged, IWeightElement<TWeight>
    {
        private TWeight* Weights => (TWeight*)Tensor.Address;

        public override void Multiply(int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
            => RowDot<TLane, TWeight>.Rows(Weights, Columns, from, to, x, xStride, tokens, y, yStride);

        public override void CopyRow(int row, float scale, float* output)
        {
            TWeight* source = Weights + (nint)row * Columns;
            for (int i = 0; i < Columns; i++) output[i] = TWeight.ToSingle(source[i]) * scale;
        }
    }
}
