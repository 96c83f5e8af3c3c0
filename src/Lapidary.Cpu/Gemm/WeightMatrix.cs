using Lapidary.Checkpoints;
using Lapidary.Cpu.Assembly;
using Lapidary.Experts;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Gemm;

/// <summary>Dot products of weight rows with tokens, closed over the element type and the machine's vector width at load.</summary>
internal abstract unsafe class WeightMatrix : IDisposable
{
    protected WeightMatrix(int rows, int columns) => (Rows, Columns) = (rows, columns);

    public int Rows { get; }
    public int Columns { get; }

    /// <summary>Bytes of the weights as they are multiplied.</summary>
    public abstract long ByteLength { get; }

    /// <summary>Rows that are best multiplied together: shares of the work should begin at multiples of it.</summary>
    public virtual int Grain => 4;

    /// <summary>y[t, o] = x[t] · w[o] for o in [from, to).</summary>
    public virtual void Multiply(int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
    {
        byte* written = ThreadScratch.Hidden(tokens * Form!.RowBytes);
        Form.Write(x, xStride, 0, tokens, tokens, written);
        MultiplyWritten(from, to, written, tokens, y, yStride);
    }

    /// <summary>How hidden states may be rewritten once and shared; null when the kernels read float32 rows.</summary>
    public virtual HiddenForm? Form => null;

    /// <summary>As <see cref="Multiply"/>, from hidden states written in this matrix's <see cref="Form"/>.</summary>
    public virtual void MultiplyWritten(int from, int to, byte* written, int tokens, float* y, nint yStride)
        => throw new InvalidOperationException("this matrix reads float32 rows");

    /// <summary>output = w[row] * scale.</summary>
    public abstract void CopyRow(int row, float scale, float* output);

    /// <summary>Frees what was packed; stored tensors belong to their checkpoint.</summary>
    public abstract void Dispose();

    /// <summary>The fastest way that the arithmetic allows.</summary>
    public static WeightMatrix Load(StoredMatrix matrix, CpuOptions options) => matrix switch
    {
        DenseMatrix dense when IsCompact(dense, options) => LoadCompact(dense, options),
        DenseMatrix dense when ShortRows.Suits(dense, options.Arithmetic) => ShortRows.Load(dense.Tensor, options.Assembly),
        _ when options.Arithmetic == Arithmetic.Exact => Load(matrix),
        QuantizedMatrix quantized when PanelLayout.Refusal(quantized.Format) is null => LoadInteger(quantized, options),
        DenseMatrix { Tensor.DType: DType.BF16 } dense when RoundsToBFloat16(options) => new BFloat16Matrix(dense.Tensor),
        _ => Load(matrix),
    };

    private static bool IsCompact(DenseMatrix matrix, CpuOptions options) => options.CompactBFloat16
        && CompactMatrix.Refusal(matrix) is null && AssemblySupport.RefusesCompact(options.Assembly) is null;

    private static CompactMatrix LoadCompact(DenseMatrix matrix, CpuOptions options)
        => RoundsToBFloat16(options) ? new CompactAvx512(matrix, DType.BF16)
        : CpuFeatures.VectorBits == 512 ? new CompactAvx512(matrix, DType.F32)
        : new CompactAvx2(matrix);

    /// <summary>Hidden states beside bfloat16 weights. Weights as stored have no kernel that is as fast in float32.</summary>
    private static bool RoundsToBFloat16(CpuOptions options) => options.Arithmetic == Arithmetic.Fast
        && AssemblySupport.RefusesBFloat16(options.Assembly) is null && !(options.CompactBFloat16 && CpuFeatures.IsSlowAtBFloat16);

    /// <summary>What that makes of hidden states.</summary>
    public static HiddenPrecision HiddenStates(WeightFormat weights, CpuOptions options)
        => options.Arithmetic == Arithmetic.Exact ? HiddenPrecision.Unrounded
        : PanelLayout.Refusal(weights) is null ? HiddenPrecision.Int8(PanelLayout.StepColumns)
        : weights.Dense == DType.BF16 && RoundsToBFloat16(options) ? HiddenPrecision.BFloat16
        : HiddenPrecision.Unrounded;

    /// <summary>Integer codes times 8-bit hidden states.</summary>
    public static WeightMatrix LoadInteger(QuantizedMatrix matrix, CpuOptions options) => new IntegerMatrix(matrix, options.Assembly, options.Panels);

    public static WeightMatrix Load(StoredMatrix matrix) => CpuFeatures.VectorBits switch
    {
        512 => Load<V16>(matrix),
        256 => Load<V8>(matrix),
        128 => Load<V4>(matrix),
        _ => Load<V1>(matrix),
    };

    /// <summary>As <see cref="Load(StoredMatrix)"/>, for codes and hidden states rounded to BF16 or I8 (in groups of 32 columns).</summary>
    public static WeightMatrix LoadRounded(QuantizedMatrix matrix, DType hiddenStates) => CpuFeatures.VectorBits switch
    {
        512 => LoadRounded<V16>(matrix, hiddenStates),
        256 => LoadRounded<V8>(matrix, hiddenStates),
        128 => LoadRounded<V4>(matrix, hiddenStates),
        _ => LoadRounded<V1>(matrix, hiddenStates),
    };

    /// <summary>With a width of choice, for tests.</summary>
    public static WeightMatrix LoadRounded<TLane>(QuantizedMatrix matrix, DType hiddenStates) where TLane : struct, IFloatLane<TLane>
        => CodeDecoder.Accept(matrix.Code, new PanelLoader<TLane>(matrix, hiddenStates));

    /// <summary>With a width of choice, for tests.</summary>
    public static WeightMatrix Load<TLane>(StoredMatrix matrix) where TLane : struct, IFloatLane<TLane> => matrix switch
    {
        DenseMatrix { Tensor.DType: DType.F32 } dense => new Dense<TLane, Float32>(dense.Tensor),
        DenseMatrix { Tensor.DType: DType.BF16 } dense => new Dense<TLane, BFloat16>(dense.Tensor),
        DenseMatrix { Tensor.DType: DType.F16 } dense => new Dense<TLane, Float16>(dense.Tensor),
        QuantizedMatrix quantized => LoadRounded<TLane>(quantized, DType.F32),
        _ => throw new BackendException($"matrix \"{matrix.Name}\" is {matrix.Format}; the CPU multiplies F32, F16, BF16 and coded weights"),
    };

    private sealed class PanelLoader<TLane>(QuantizedMatrix matrix, DType hiddenStates) : ICodeVisitor<WeightMatrix>
        where TLane : struct, IFloatLane<TLane>
    {
        public WeightMatrix Visit<TBits, TDecoder>(TDecoder decoder) where TBits : struct, IBitWidth where TDecoder : struct, ICodeDecoder
            => hiddenStates == DType.I8
                ? new Int8PanelMatrix<TLane, TBits, TDecoder>(matrix, decoder)
                : new PanelMatrix<TLane, TBits, TDecoder>(matrix, decoder, hiddenStates);
    }

    /// <summary>output = the stored row * scale.</summary>
    protected static void CopyStoredRow(QuantizedMatrix source, int row, float scale, float* output)
    {
        Span<float> values = new(output, source.Columns);
        source.ReadRow(row, values);
        for (int i = 0; i < values.Length; i++) values[i] *= scale;
    }

    /// <param name="tensor">Kept so that the mapped file stays open.</param>
    private sealed class Dense<TLane, TWeight>(StoredTensor tensor)
        : WeightMatrix(checked((int)tensor.Shape[0]), checked((int)tensor.Shape[1]))
        where TLane : struct, IFloatLane<TLane>
        where TWeight : unmanaged, IWeightElement<TWeight>
    {
        private TWeight* Weights => (TWeight*)tensor.Address;

        public override long ByteLength => tensor.ByteLength;

        public override void Multiply(int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
            => RowDot<TLane, TWeight>.Rows(Weights, Columns, from, to, x, xStride, tokens, y, yStride);

        public override void CopyRow(int row, float scale, float* output)
        {
            TWeight* source = Weights + (nint)row * Columns;
            for (int i = 0; i < Columns; i++) output[i] = TWeight.ToSingle(source[i]) * scale;
        }

        public override void Dispose()
        {
            // The elements are where the checkpoint has them.
        }
    }
}
