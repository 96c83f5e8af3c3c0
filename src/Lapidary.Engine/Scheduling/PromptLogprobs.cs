using System.Collections.Immutable;
using Lapidary.Sampling;

namespace Lapidary.Scheduling;

/// <summary>Collects the log-probabilities of a prompt's tokens while it is computed; gives them to the handle when complete.</summary>
internal sealed class PromptLogprobs
{
    private readonly RequestHandle handle;
    private readonly LogprobReader reader;
    private readonly ImmutableArray<int> prompt;
    private readonly TokenLogprobs?[] entries;
    private int known = 1; // nothing precedes the first token

    /// <param name="top">How many of the most likely tokens; -1 for all.</param>
    public PromptLogprobs(RequestHandle handle, int vocabSize, int top)
    {
        this.handle = handle;
        reader = new LogprobReader(vocabSize, top);
        prompt = handle.Request.PromptIds;
        entries = new TokenLogprobs?[prompt.Length];
        if (IsComplete) handle.PromptLogprobs = entries;
    }

    public bool IsComplete => known == prompt.Length;

    /// <param name="row">Row of the logits after the token at <paramref name="position"/>; the following rows follow it.</param>
    public void Read(IKernels kernels, IBuffer logits, int row, int position, int count)
    {
        for (int next = position + 1; next <= position + count && next < prompt.Length; next++, row++)
        {
            if (next < known) continue; // computed once more after a preemption
            entries[next] = reader.Read(kernels.HostRow(logits, row), prompt[next]);
            known = next + 1;
        }
        if (IsComplete) handle.PromptLogprobs = entries;
    }
}
