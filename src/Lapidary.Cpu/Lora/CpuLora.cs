using Lapidary.Cpu.Gemm;
using Lapidary.Lora;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Lora;

/// <summary>One update, in two steps with the vector u between them: u = scale · A x (shrink), output += B u (expand).</summary>
internal sealed unsafe class CpuLora : ILora
{
    private readonly AdapterMatrix storedA, storedB;
    private readonly WeightMatrix a;    // [r, in]; of an embedding [rows, r]
    private readonly RankRows b;        // [r, out], and the bias as one more rank whose u is the scale itself
    private readonly float scale;
    private readonly bool hasBias;

    private CpuLora(AdapterMatrix a, LoraWeights weights)
    {
        storedA = a;
        storedB = AdapterCopy.Columns(weights.B, weights.Bias);
        this.a = WeightMatrix.Load(new DenseMatrix(storedA.Tensor));
        b = RankRows.Load(storedB.Tensor);
        scale = weights.Scale;
        hasBias = weights.Bias is not null;
        Ranks = weights.Rank;
    }

    /// <summary>Rows of A; <see cref="Rank"/> counts the bias too.</summary>
    public int Ranks { get; }
    public int Rank => Ranks + (hasBias ? 1 : 0);

    public static CpuLora Load(LoraWeights weights) => new(AdapterCopy.Rows(weights.A), weights);

    /// <summary>A is looked up by column.</summary>
    public static CpuLora LoadEmbedding(LoraWeights weights) => new(AdapterCopy.Columns(weights.A, last: null), weights);

    /// <summary>With the A of another update of the same input.</summary>
    public static CpuLora Load(LoraWeights weights, CpuLora sameA) => new(sameA.storedA, weights);

    /// <summary>u[j] for ranks j in [from, to).</summary>
    public void Shrink(float* x, int from, int to, float* u)
    {
        if (from == to) return;
        a.Multiply(from, to, x, 0, 1, u, 0);
        for (int j = from; j < to; j++) u[j] *= scale;
        if (to == Ranks && hasBias) u[to] = scale;
    }

    /// <summary>u of the table's row.</summary>
    public void ShrinkRow(int row, float* u)
    {
        a.CopyRow(row, scale, u);
        if (hasBias) u[Ranks] = scale;
    }

    public void Expand(float* u, int from, int to, float* output) => b.AddTo(u, from, to, output);

    public void Dispose()
    {
        a.Dispose();
        storedA.Dispose();
        storedB.Dispose();
    }
}
