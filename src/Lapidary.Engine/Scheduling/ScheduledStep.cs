using Lapidary.KvCache;
using Lapidary.Models;

namespace Lapidary.Scheduling;

/// <summary>A sequence's part of a step.</summary>
/// <param name="Tokens">How many of its pending tokens are computed.</param>
/// <param name="DraftTokens">How many of its draft's tokens are computed after them.</param>
internal readonly record struct ScheduledPart(Sequence Sequence, int Tokens, int DraftTokens, LogitRows Rows);

/// <summary>What one step computes: the parts of the sequences that take part, in the order in which they are served.</summary>
internal sealed class ScheduledStep(int maxSequences)
{
    private readonly List<ScheduledPart> parts = new(maxSequences);

    public List<ScheduledPart> Parts => parts;

    /// <summary>What is copied in the cache before the parts are computed, for sequences that begin in this step or a later one.</summary>
    public List<BlockCopy> Copies { get; } = new(2 * maxSequences);
    public int Tokens { get; private set; }

    public void Clear()
    {
        parts.Clear();
        Copies.Clear();
        Tokens = 0;
    }

    public void Add(ScheduledPart part)
    {
        parts.Add(part);
        Tokens += part.Tokens + part.DraftTokens;
    }
}
