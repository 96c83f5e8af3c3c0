using Lapidary.Cpu;
using Lapidary.Cpu.Experts;

namespace Lapidary.Tests.Experts;

/// <summary>Where pairs of tokens and experts lie.</summary>
public sealed unsafe class ExpertRowsTests
{
    private static CpuBuffer Ids(int[][] ids)
    {
        CpuBuffer buffer = new(DType.I32, Math.Max(1, ids.Length), ids.Length == 0 ? 2 : ids[0].Length) { Rows = ids.Length };
        for (int t = 0; t < ids.Length; t++)
            for (int slot = 0; slot < ids[t].Length; slot++) buffer.IntRow(t)[slot] = ids[t][slot];
        return buffer;
    }

    /// <summary>The example of vLLM's documentation of moe_align_block_size: ids [[2, 3, 4], [1, 2, 4], [1, 3, 4], [1, 2, 3]], blocks of 4.</summary>
    [Fact]
    public void Pairs_are_sorted_and_padded_as_moe_align_block_size_does()
    {
        AlignedRows rows = new(experts: 5, topK: 3, maxTokens: 4, blockSize: 4);
        using CpuBuffer ids = Ids([[2, 3, 4], [1, 2, 4], [1, 3, 4], [1, 2, 3]]);
        rows.Arrange(ids);
        Assert.Equal([new(1, 0, 3), new(2, 4, 3), new(3, 8, 3), new(4, 12, 3)], rows.Blocks.ToArray());
        Assert.Equal(16, rows.PaddedCount);
        Assert.Equal([[3, 6, 9], [0, 4, 10], [1, 7, 11], [2, 5, 8]], rows.Blocks.ToArray().Select(block => rows.Pairs(block).ToArray()));
        Assert.Equal([4, 8, 12, 0, 5], Enumerable.Range(0, 5).Select(rows.Row));
    }

    [Fact]
    public void An_expert_with_many_tokens_takes_several_blocks_the_last_one_partly_full()
    {
        AlignedRows rows = new(experts: 3, topK: 1, maxTokens: 9, blockSize: 4);
        using CpuBuffer ids = Ids([[1], [1], [0], [1], [1], [1], [1], [1], [1]]);
        rows.Arrange(ids);
        Assert.Equal([new(0, 0, 1), new(1, 4, 4), new(1, 8, 4)], rows.Blocks.ToArray());
        Assert.Equal([[2], [0, 1, 3, 4], [5, 6, 7, 8]], rows.Blocks.ToArray().Select(block => rows.Pairs(block).ToArray()));
        Assert.Equal(12, rows.PaddedCount);
    }

    [Fact]
    public void Batched_rows_begin_at_a_multiple_of_the_most_tokens()
    {
        BatchedRows rows = new(experts: 4, topK: 2, maxTokens: 5);
        using CpuBuffer ids = Ids([[3, 0], [0, 2], [3, 2]]);
        rows.Arrange(ids);
        Assert.Equal([2, 0, 2, 2], rows.Counts.ToArray());
        Assert.Equal([new(0, 0, 2), new(2, 10, 2), new(3, 15, 2)], rows.Blocks.ToArray());
        Assert.Equal([15, 0, 1, 10, 16, 11], Enumerable.Range(0, 6).Select(rows.Row));
    }

    [Fact]
    public void An_expert_met_twice_by_a_token_does_not_write_beyond_its_rows()
    {
        BatchedRows rows = new(experts: 2, topK: 2, maxTokens: 1);
        using CpuBuffer ids = Ids([[1, 1]]);
        Assert.Throws<InvalidOperationException>(() => rows.Arrange(ids));
    }

    private static ExpertRows[] All(int experts, int topK, int maxTokens) =>
        [new AlignedRows(experts, topK, maxTokens, 1), new AlignedRows(experts, topK, maxTokens, 4), new AlignedRows(experts, topK, maxTokens, 32), new BatchedRows(experts, topK, maxTokens)];

    [Fact]
    public void No_tokens_make_no_blocks_after_a_step_with_some()
    {
        foreach (ExpertRows rows in All(3, 2, 4))
        {
            using CpuBuffer some = Ids([[0, 1]]), none = Ids([]);
            rows.Arrange(some);
            rows.Arrange(none);
            Assert.Equal(0, rows.Blocks.Length);
        }
    }

    /// <summary>Random routings: every pair has a row of its own inside a block of its expert, in token order, within capacity.</summary>
    [Fact]
    public void Every_pair_has_a_row_of_its_own_in_a_block_of_its_expert()
    {
        Random random = new(5);
        for (int run = 0; run < 200; run++)
        {
            int experts = random.Next(1, 12), topK = random.Next(1, Math.Min(experts, 4) + 1), maxTokens = random.Next(1, 40), tokens = random.Next(maxTokens + 1);
            int[][] routed = [.. Enumerable.Range(0, tokens).Select(_ => Enumerable.Range(0, experts).OrderBy(_ => random.Next()).Take(topK).ToArray())];
            using CpuBuffer ids = Ids(routed);
            if (tokens == 0) continue;
            foreach (ExpertRows rows in All(experts, topK, maxTokens))
            {
                rows.Arrange(ids);
                List<int> seen = [];
                int expert = -1, end = 0;
                foreach (RowBlock block in rows.Blocks.ToArray())
                {
                    Assert.True(block.Expert >= expert && block.First >= end && block.Count > 0);
                    (expert, end) = (block.Expert, block.First + block.Count);
                    int row = block.First;
                    foreach (int pair in rows.Pairs(block))
                    {
                        Assert.Equal(row++, rows.Row(pair));
                        Assert.Equal(block.Expert, routed[pair / topK][pair % topK]);
                        seen.Add(pair);
                    }
                }
                Assert.True(end <= rows.Capacity);
                Assert.Equal(Enumerable.Range(0, tokens * topK), seen.Order());
                foreach (IGrouping<int, int> same in seen.GroupBy(pair => routed[pair / topK][pair % topK])) Assert.Equal(same.Order(), same);
            }
        }
    }
}
