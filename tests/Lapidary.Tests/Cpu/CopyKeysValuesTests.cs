using Lapidary.Cpu;

namespace Lapidary.Tests.Cpu;

/// <summary>Copying within the cache: what was copied attends like what it was copied from, and nothing else changes.</summary>
public sealed class CopyKeysValuesTests
{
    private const int BlockSize = 16, KvHeads = 2, HeadDim = 48;

    [Theory, InlineData(KeyValueType.F32), InlineData(KeyValueType.BF16), InlineData(KeyValueType.Q8_0)]
    public void The_first_positions_are_copied_and_no_others(KeyValueType type)
    {
        using CpuKernels kernels = new(threads: 1);
        using IKeyValues cache = kernels.AllocateKeyValues(type, blocks: 3, BlockSize, KvHeads, HeadDim);
        Store(kernels, cache);
        float[] source = Attend(kernels, cache, block: 0, positions: 7), target = Attend(kernels, cache, block: 2, positions: 7);
        float[] untouched = Attend(kernels, cache, block: 1, positions: BlockSize), last = Attend(kernels, cache, block: 2, positions: BlockSize, window: 9);
        Assert.NotEqual(source, target); // so that equality below says something

        kernels.CopyKeysValues(cache, fromBlock: 0, toBlock: 2, positions: 7);
        Assert.Equal(source, Attend(kernels, cache, block: 2, positions: 7));
        Assert.Equal(source, Attend(kernels, cache, block: 0, positions: 7));
        Assert.Equal(untouched, Attend(kernels, cache, block: 1, positions: BlockSize));
        Assert.Equal(last, Attend(kernels, cache, block: 2, positions: BlockSize, window: 9)); // sees positions 7 to 15
        Assert.NotEqual(last, Attend(kernels, cache, block: 2, positions: BlockSize, window: 10));
    }

    private static void Store(CpuKernels kernels, IKeyValues cache)
    {
        Random random = new(3);
        float[] numbers = [.. Enumerable.Range(0, 2 * 3 * BlockSize * KvHeads * HeadDim).Select(_ => random.NextSingle() * 2 - 1)];
        using IBuffer keys = kernels.Allocate(DType.F32, 3 * BlockSize, KvHeads * HeadDim), values = kernels.Allocate(DType.F32, 3 * BlockSize, KvHeads * HeadDim), slots = kernels.Allocate(DType.I32, 3 * BlockSize, 1);
        kernels.Write(keys, numbers.AsSpan(0, numbers.Length / 2));
        kernels.Write(values, numbers.AsSpan(numbers.Length / 2));
        kernels.Write(slots, [.. Enumerable.Range(0, 3 * BlockSize)]);
        kernels.StoreKeysValues(keys, values, slots, cache);
    }

    /// <summary>One query at the last of so many positions of a block.</summary>
    private static float[] Attend(CpuKernels kernels, IKeyValues cache, int block, int positions, int? window = null)
    {
        using IBuffer query = kernels.Allocate(DType.F32, 1, KvHeads * HeadDim), output = kernels.Allocate(DType.F32, 1, KvHeads * HeadDim);
        using IBuffer position = kernels.Allocate(DType.I32, 1, 1), sequence = kernels.Allocate(DType.I32, 1, 1), table = kernels.Allocate(DType.I32, 1, 1);
        kernels.Write(query, [.. Enumerable.Range(0, KvHeads * HeadDim).Select(i => MathF.Sin(i))]);
        kernels.Write(position, [positions - 1]);
        kernels.Write(sequence, [0]);
        kernels.Write(table, [block]);
        output.Rows = 1;
        kernels.Attention(query, cache, new AttentionBatch(position, sequence, table, BlockSize), window, output);
        float[] result = new float[KvHeads * HeadDim];
        kernels.Read(output, result);
        return result;
    }
}
