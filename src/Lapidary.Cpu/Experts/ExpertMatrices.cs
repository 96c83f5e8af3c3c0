using System.Runtime.ExceptionServices;
using Lapidary.Cpu.Gemm;
using Lapidary.Experts;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Experts;

/// <summary>The packed weights of a layer's experts and the activation between them.</summary>
internal unsafe class ExpertMatrices : IDisposable
{
    private const long SmallBytes = 4 << 20; // of elements of gates: packed in less time than it takes to begin with threads

    private readonly WeightMatrix[] downs;

    /// <param name="load">Packs a matrix.</param>
    public ExpertMatrices(ExpertLayerSpec spec, ExpertWeights weights, Func<StoredMatrix, WeightMatrix> load)
    {
        Activation = CpuActivation.Load(spec.Activation);
        Gates = new WeightMatrix[weights.Gate.Count];
        Ups = weights.Up is null ? null : new WeightMatrix[weights.Up.Count];
        downs = new WeightMatrix[weights.Down.Count];
        if (spec.Weights.Code is null && weights.Gate.Sum(matrix => matrix.ByteLength) < SmallBytes)
            for (int e = 0; e < Gates.Length; e++) LoadExpert(e);
        else
            Pack(Gates.Length, LoadExpert);
        InputForm = Common([.. Gates, .. Ups ?? []]);
        DownForm = Common(downs);

        // Gate and up, which a file may hold as one tensor, follow each other, so that what has been packed of it is whole.
        void LoadExpert(int e)
        {
            Gates[e] = load(weights.Gate[e]);
            if (Ups is not null) Ups[e] = load(weights.Up![e]);
            downs[e] = load(weights.Down[e]);
        }

        // A refused matrix is one error about that matrix, not an aggregate.
        static void Pack(int count, Action<int> pack)
        {
            try
            {
                Parallel.For(0, count, pack);
            }
            catch (AggregateException exception)
            {
                ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
            }
        }
    }

    protected CpuActivation Activation { get; }
    protected WeightMatrix[] Gates { get; }

    /// <summary>Null for non-gated experts.</summary>
    protected WeightMatrix[]? Ups { get; }
    /// <summary>The form of hidden states that every gate and up reads, and that every down reads; null when there is none.</summary>
    public HiddenForm? InputForm { get; }

    /// <inheritdoc cref="InputForm"/>
    public HiddenForm? DownForm { get; }

    public long BytesPerExpert => Gates[0].ByteLength + (Ups?[0].ByteLength ?? 0) + DownBytes;

    public long DownBytes => downs[0].ByteLength;

    /// <summary>Intermediate columns that are best computed together, and can be written in <see cref="DownForm"/>: whole vectors, whose
    /// sums do not depend on who computes the rest.</summary>
    public int GateGrain => Math.Max(Gates[0].Grain, HiddenForm.Grain);

    /// <summary>The same of hidden columns.</summary>
    public int DownGrain => Math.Max(downs[0].Grain, HiddenForm.Grain);

    /// <summary>gate[r] = x[r] · gateᵀ and up[r] = x[r] · upᵀ for columns [from, to).</summary>
    public void Project(int expert, int from, int to, float* x, nint xStride, int rows, float* gate, float* up, nint stride)
    {
        Gates[expert].Multiply(from, to, x, xStride, rows, gate, stride);
        Ups?[expert].Multiply(from, to, x, xStride, rows, up, stride);
    }

    /// <summary>As <see cref="Project"/>, from inputs written in <see cref="InputForm"/>.</summary>
    public void ProjectWritten(int expert, int from, int to, byte* written, int rows, float* gate, float* up, nint stride)
    {
        Gates[expert].MultiplyWritten(from, to, written, rows, gate, stride);
        Ups?[expert].MultiplyWritten(from, to, written, rows, up, stride);
    }

    /// <summary>As <see cref="Down"/>, from hidden states written in <see cref="DownForm"/>.</summary>
    public void DownWritten(int expert, int from, int to, byte* written, int rows, float* output, nint outputStride)
        => downs[expert].MultiplyWritten(from, to, written, rows, output, outputStride);

    private static HiddenForm? Common(WeightMatrix[] matrices)
        => Array.TrueForAll(matrices, matrix => matrix.Form == matrices[0].Form) ? matrices[0].Form : null;

    /// <summary>gate[r] = combine(gate[r], up[r]), or apply(gate[r]) for non-gated experts, for columns [from, to).</summary>
    public void Activate(int from, int to, int rows, float* gate, float* up, nint stride)
    {
        int columns = to - from;
        if (stride == columns) (rows, columns) = (1, rows * columns); // a few columns a call would cost as much as the call
        for (int r = 0; r < rows; r++)
        {
            float* row = gate + r * stride + from;
            if (Ups is null) Activation.Apply(row, row, columns);
            else Activation.Combine(row, up + r * stride + from, row, columns);
        }
    }

    /// <summary>Both in one, where nothing comes between.</summary>
    public virtual void ProjectAndActivate(
        int expert, int from, int to, float* x, nint xStride, int rows, float* gate, float* up, nint stride)
    {
        Project(expert, from, to, x, xStride, rows, gate, up, stride);
        Activate(from, to, rows, gate, up, stride);
    }

    /// <summary>output[r] = hidden[r] · downᵀ for columns [from, to).</summary>
    public void Down(int expert, int from, int to, float* hidden, nint hiddenStride, int rows, float* output, nint outputStride)
        => downs[expert].Multiply(from, to, hidden, hiddenStride, rows, output, outputStride);

    public void Dispose()
    {
        foreach (WeightMatrix matrix in (WeightMatrix[])[.. Gates, .. Ups ?? [], .. downs]) matrix.Dispose();
    }
}
