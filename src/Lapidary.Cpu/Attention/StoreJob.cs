namespace Lapidary.Cpu.Attention;

/// <summary>Rounds keys and values of a step into their slots; tokens are shared out.</summary>
internal readonly unsafe struct StoreJob(CpuBuffer keys, CpuBuffer values, CpuBuffer slots, CpuKeyValues cache) : IParallelJob
{
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        (int from, int to) = Share.Of(keys.Rows, worker, workers);
        switch (cache.Type)
        {
            case KeyValueType.F32: Store<TLane, FloatHead>(from, to); break;
            case KeyValueType.BF16: Store<TLane, BFloat16Head>(from, to); break;
            case KeyValueType.Q8_0: Store<TLane, Int8Head>(from, to); break;
            default: throw new InvalidOperationException($"keys and values in {cache.Type}");
        }
    }

    private void Store<TLane, THead>(int from, int to) where TLane : struct, IFloatLane<TLane> where THead : struct, IHeadFormat<THead>
    {
        for (int t = from; t < to; t++)
            for (int head = 0; head < cache.Heads; head++)
            {
                nint offset = cache.Offset(slots.IntRow(t)[0], head);
                Write<TLane, THead>(keys.Row(t) + head * cache.HeadDim, cache.Keys + offset);
                Write<TLane, THead>(values.Row(t) + head * cache.HeadDim, cache.Values + offset);
            }
    }

    private void Write<TLane, THead>(float* source, byte* target) where TLane : struct, IFloatLane<TLane> where THead : struct, IHeadFormat<THead>
    {
        int blockBytes = cache.Type.BlockBytes(), whole = cache.HeadDim / KeyValueTypes.BlockColumns, rest = cache.HeadDim % KeyValueTypes.BlockColumns;
        for (int b = 0; b < whole; b++) THead.Write<TLane>(source + b * KeyValueTypes.BlockColumns, target + b * blockBytes);
        if (rest == 0) return;
        float* padded = stackalloc float[KeyValueTypes.BlockColumns];
        new Span<float>(padded, KeyValueTypes.BlockColumns).Clear();
        new ReadOnlySpan<float>(source + whole * KeyValueTypes.BlockColumns, rest).CopyTo(new Span<float>(padded, rest));
        THead.Write<TLane>(padded, target + whole * blockBytes);
    }
}
