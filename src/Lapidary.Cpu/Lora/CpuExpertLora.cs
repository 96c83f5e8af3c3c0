using Lapidary.Lora;

namespace Lapidary.Cpu.Lora;

/// <summary>One adapter's updates of a layer's experts.</summary>
internal sealed class CpuExpertLora : IExpertLora
{
    private readonly ExpertUpdate?[] experts;

    public CpuExpertLora(ExpertLoraWeights weights)
    {
        experts = new ExpertUpdate?[weights.Gate.Count];
        Parallel.For(0, experts.Length, e => experts[e] = ExpertUpdate.Load(weights, e));
        Rank = experts.Max(e => e?.Rank ?? 0);
    }

    public int Rank { get; }

    /// <summary>The update of an expert, or null.</summary>
    public ExpertUpdate? this[int expert] => experts[expert];

    public void Dispose()
    {
        foreach (ExpertUpdate? expert in experts) expert?.Dispose();
    }
}

/// <summary>
/// Updates of one expert's projections. u of gate and up come from the same x: gate's ranks first, then up's, unless both
/// have one A and so one u.
/// </summary>
internal sealed unsafe class ExpertUpdate : IDisposable
{
    private readonly CpuLora? gate, up, down;
    private readonly bool sharesA;
    private readonly int upStart;

    private ExpertUpdate(LoraWeights? gate, LoraWeights? up, LoraWeights? down)
    {
        sharesA = gate is not null && ReferenceEquals(gate.A, up?.A) && gate.Scale == up.Scale && gate.Bias is null && up.Bias is null;
        this.gate = gate is null ? null : CpuLora.Load(gate);
        this.up = up is null ? null : sharesA ? CpuLora.Load(up, sameA: this.gate!) : CpuLora.Load(up);
        this.down = down is null ? null : CpuLora.Load(down);
        upStart = sharesA ? 0 : this.gate?.Rank ?? 0;
        Rank = Math.Max(upStart + (this.up?.Rank ?? 0), this.down?.Rank ?? 0);
    }

    public int Rank { get; }

    public static ExpertUpdate? Load(ExpertLoraWeights weights, int expert)
        => (weights.Gate[expert], weights.Up[expert], weights.Down[expert]) is (null, null, null)
            ? null : new ExpertUpdate(weights.Gate[expert], weights.Up[expert], weights.Down[expert]);

    /// <summary>u of gate and up from the expert's input.</summary>
    public void ShrinkInput(float* x, float* u)
    {
        gate?.Shrink(x, 0, gate.Ranks, u);
        if (!sharesA) up?.Shrink(x, 0, up.Ranks, u + upStart);
    }

    /// <summary>Intermediate features [from, to) of gate and up, before the activation.</summary>
    public void ExpandGateUp(float* u, int from, int to, float* gateOutput, float* upOutput)
    {
        gate?.Expand(u, from, to, gateOutput);
        up?.Expand(u + upStart, from, to, upOutput);
    }

    /// <summary>u of down from the activation's output.</summary>
    public void ShrinkDown(float* x, float* u) => down?.Shrink(x, 0, down.Ranks, u);

    /// <summary>Hidden features [from, to), before the routing weight.</summary>
    public void ExpandDown(float* u, int from, int to, float* output) => down?.Expand(u, from, to, output);

    public void Dispose()
    {
        gate?.Dispose();
        up?.Dispose();
        down?.Dispose();
    }
}

/// <summary>The adapters' part of one call of an expert layer, by (token, slot) pair: a pair is token · k + slot.</summary>
internal readonly unsafe struct PairLora(ExpertLoraBatch batch, CpuBuffer ids)
{
    private readonly CpuBuffer slots = (CpuBuffer)batch.Slots, lowRank = (CpuBuffer)batch.LowRank;

    /// <summary>Columns of scratch.</summary>
    public int Width => lowRank.Columns;

    public ExpertUpdate? Of(int pair)
    {
        int token = pair / ids.Columns;
        return TokenLora.Of(batch.Updates, slots, token) is CpuExpertLora lora ? lora[ids.IntRow(token)[pair % ids.Columns]] : null;
    }

    /// <summary>A pair's row of scratch.</summary>
    public float* LowRank(int pair) => lowRank.Row(pair);
}
