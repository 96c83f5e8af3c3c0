using Lapidary.Lora;

namespace Lapidary.Cpu.Lora;

/// <summary>u[t] = scale · A x[t], ranks shared out among the workers.</summary>
internal readonly unsafe struct ShrinkJob(LoraSlots<ILora> updates, CpuBuffer x, CpuBuffer slots, CpuBuffer lowRank) : IParallelJob
{
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        for (int t = 0; t < x.Rows; t++)
        {
            if (TokenLora.Of(updates, slots, t) is not CpuLora lora) continue;
            (int from, int to) = Share.Of(lora.Ranks, worker, workers);
            lora.Shrink(x.Row(t), from, to, lowRank.Row(t));
        }
    }
}

/// <summary>output[t] += B u[t], output features shared out among the workers.</summary>
internal readonly unsafe struct ExpandJob(LoraSlots<ILora> updates, CpuBuffer slots, CpuBuffer lowRank, CpuBuffer output) : IParallelJob
{
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        (int from, int to) = Share.Of(output.Columns, worker, workers, grain: 64);
        for (int t = 0; t < output.Rows; t++)
            if (TokenLora.Of(updates, slots, t) is CpuLora lora) lora.Expand(lowRank.Row(t), from, to, output.Row(t));
    }
}

internal static unsafe class TokenLora
{
    /// <summary>The update that a token's adapter has here, or null.</summary>
    public static T? Of<T>(LoraSlots<T> updates, CpuBuffer slots, int token) where T : class
        => slots.IntRow(token)[0] is >= 0 and int slot ? updates[slot] : null;
}
