using Lapidary.KvCache;
using Lapidary.Models;
using Lapidary.Scheduling;

namespace Lapidary.Speculation;

/// <summary>Drafts with a trained drafter: all growing texts together, token after token, each the most likely one.</summary>
internal sealed class MtpDrafter : IDrafter
{
    private readonly IKernels kernels;
    private readonly Gemma4Assistant assistant;
    private readonly KeyValueCache cache;
    private readonly ForwardBatch batch;
    private readonly IBuffer rows;
    private readonly int[] hostRows;
    private readonly int maxTokens;

    /// <param name="assistant">Owned from now on.</param>
    /// <param name="cache">The target's.</param>
    /// <param name="maxTokens">Most tokens proposed.</param>
    /// <param name="maxSequences">Most texts that grow at once.</param>
    public MtpDrafter(IKernels kernels, Gemma4Assistant assistant, KeyValueCache cache, int maxTokens, int maxSequences)
    {
        this.kernels = kernels;
        this.assistant = assistant;
        this.cache = cache;
        this.maxTokens = maxTokens;
        batch = new ForwardBatch(kernels, cache, maxTokens: maxSequences, maxSequences);
        rows = kernels.Allocate(DType.I32, maxSequences, 1);
        hostRows = new int[maxSequences];
    }

    public void Draft(IReadOnlyList<Sequence> growing, IBuffer hidden)
    {
        batch.Clear();
        int most = 0;
        for (int i = 0; i < growing.Count; i++)
        {
            Sequence sequence = growing[i];
            batch.AddQuery(sequence.Cache, sequence.Tokens[^1]);
            hostRows[i] = sequence.LogitRow;
            most = Math.Max(most, Math.Min(maxTokens, sequence.MaxDraft));
        }
        kernels.Write(rows, hostRows.AsSpan(0, growing.Count));
        assistant.Carried.Rows = growing.Count;
        kernels.GatherRows(hidden, rows, assistant.Carried);
        for (int made = 0; made < most; made++)
        {
            ReadOnlySpan<int> tokens = assistant.Forward(batch, cache);
            for (int i = 0; i < growing.Count; i++)
                if (made < growing[i].MaxDraft) growing[i].Propose(tokens[i]);
            batch.Replace(tokens);
        }
    }

    public void Dispose()
    {
        batch.Dispose();
        rows.Dispose();
        assistant.Dispose();
    }
}
