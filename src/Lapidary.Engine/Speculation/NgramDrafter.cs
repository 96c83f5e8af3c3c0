using Lapidary.Scheduling;

namespace Lapidary.Speculation;

/// <summary>
/// Prompt lookup, as vLLM's method "ngram": where the last tokens of a text have stood in it before, what followed them may
/// follow again. The longest run of tokens decides, and of its places the earliest.
/// </summary>
/// <param name="maxTokens">Most tokens proposed.</param>
/// <param name="shortest">Least tokens that must agree.</param>
/// <param name="longest">Most tokens looked for.</param>
internal sealed class NgramDrafter(IKernels kernels, int maxTokens, int shortest, int longest) : IDrafter, IHostWork
{
    private IReadOnlyList<Sequence> growing = [];

    public void Draft(IReadOnlyList<Sequence> growing, IBuffer hidden)
    {
        this.growing = growing;
        long operations = 0;
        for (int i = 0; i < growing.Count; i++) operations += growing[i].Tokens.Length;
        kernels.OnHost(this, growing.Count, operations * (longest - shortest + 1));
    }

    /// <summary>What followed the place where the end of the text stands earlier; empty when it stands nowhere.</summary>
    public static ReadOnlySpan<int> Find(ReadOnlySpan<int> tokens, int maxTokens, int shortest, int longest)
    {
        for (int n = Math.Min(longest, tokens.Length - 1); n >= shortest; n--)
        {
            int at = tokens[..^1].IndexOf(tokens[^n..]);
            if (at >= 0) return tokens.Slice(at + n, Math.Min(maxTokens, tokens.Length - at - n));
        }
        return [];
    }

    void IHostWork.Run(int item)
    {
        Sequence sequence = growing[item];
        foreach (int token in Find(sequence.Tokens, Math.Min(maxTokens, sequence.MaxDraft), shortest, longest)) sequence.Propose(token);
    }

    public void Dispose()
    {
        // holds nothing
    }
}
