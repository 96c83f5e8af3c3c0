using Lapidary.KvCache;
using Lapidary.Models;

namespace Lapidary.Scheduling;

/// <summary>Limits of every step.</summary>
internal sealed record StepLimits(int Sequences, int Tokens, int LogitRows);

/// <summary>Whether computed prompts are looked for in the cache.</summary>
public enum PrefixCaching
{
    On,
    Off,
}

/// <summary>
/// Decides what each step computes. Every text that grows gets its token in every step; what is left of the step's tokens
/// goes to prompts, half of it to the oldest and half to those with least to do, so that a long prompt neither stops others
/// nor is stopped by them. Drafts take what is left, half of it at most while prompts wait, and only places in the cache that
/// nobody else is short of. Sequences enter in the order of priority and age, when the cache has blocks for all their tokens.
/// If it runs out, the last in that order gives its blocks up and later computes them again. No I/O and no clock.
/// </summary>
internal sealed class Scheduler(KeyValueCache cache, StepLimits limits, PrefixCaching prefixCaching, EngineCounters counters)
{
    private readonly List<Sequence> waiting = [], running = new(limits.Sequences); // both in serving order
    private readonly Sequence[] prompts = new Sequence[limits.Sequences];

    public List<Sequence> Waiting => waiting;
    public List<Sequence> Running => running;

    public void Add(Sequence sequence) => Insert(waiting, sequence);

    /// <summary>Takes a sequence out for good, wherever it is, and gives back its blocks.</summary>
    public void Remove(Sequence sequence)
    {
        if (running.Remove(sequence)) sequence.Adapter?.Stop();
        else waiting.Remove(sequence);
        sequence.Cache.Release();
    }

    /// <summary>Fills the next step and takes the cache blocks it needs; empty only when there is nothing to do.</summary>
    public void Schedule(ScheduledStep step)
    {
        step.Clear();
        Admit();
        Plan(step.Copies);
        int rows = limits.LogitRows - running.Count; // beyond the one that each sequence may need
        for (int i = 0; i < running.Count; i++)
        {
            Sequence sequence = running[i];
            int tokens = sequence.NeedsAllLogits ? Math.Min(sequence.Share, rows + 1) : sequence.Share;
            if (tokens > 0) tokens = Math.Min(tokens, MakeRoom(sequence));
            if (tokens == 0) continue;
            if (sequence.NeedsAllLogits) rows -= tokens - 1;
            int draft = Math.Clamp(Math.Min(rows, sequence.Cache.Room(spare: running.Count) - tokens), 0, sequence.DraftShare);
            rows -= draft;
            sequence.Cache.Reserve(tokens + draft);
            sequence.Clock.Start();
            step.Add(new ScheduledPart(sequence, tokens, draft,
                sequence.NeedsAllLogits || draft > 0 ? LogitRows.All : tokens == sequence.Pending ? LogitRows.Last : LogitRows.None));
        }
    }

    /// <summary>Lets waiting sequences in while there is place; a more important one takes the place of a less important.</summary>
    private void Admit()
    {
        while (waiting.Count > 0)
        {
            Sequence next = waiting[0];
            bool fits = running.Count == 0 || (running.Count < limits.Sequences && HasBlocksFor(next));
            if (!fits && running[^1].Priority > next.Priority)
            {
                Preempt(running[^1]);
                continue;
            }
            if (!fits) return;
            waiting.RemoveAt(0);
            Insert(running, next);
            next.Adapter?.Start();
        }
    }

    /// <summary>Whether all its tokens fit beside what the running ones still need for theirs and one block of growth.</summary>
    private bool HasBlocksFor(Sequence next)
    {
        for (int g = 0; g < cache.Groups.Count; g++)
        {
            CacheGroup group = cache.Groups[g];
            int free = group.Pool.Free;
            foreach (Sequence sequence in running)
            {
                int step = sequence.Pending > 1 ? limits.Tokens : group.BlockSize;
                free -= Math.Max(0, group.BlocksNeeded(sequence.Tokens.Length + group.BlockSize, step) - sequence.Cache.Held(g));
            }
            if (group.BlocksNeeded(next.Tokens.Length + group.BlockSize, limits.Tokens) <= free) continue;
            if (prefixCaching == PrefixCaching.Off || next.Cache.FreeBlocksNeeded(g, next.Tokens, limits.Tokens) + 1 > free) return false;
        }
        return true;
    }

    /// <summary>Shares the step's tokens out.</summary>
    private void Plan(List<BlockCopy> copies)
    {
        int tokens = limits.Tokens, count = 0;
        foreach (Sequence sequence in running)
        {
            sequence.Share = sequence.DraftShare = 0;
            if (!sequence.HasStarted && !Start(sequence, copies)) continue;
            if (sequence.Pending == 1)
            {
                sequence.Share = 1;
                tokens--;
            }
            else prompts[count++] = sequence;
        }
        tokens -= PlanDrafts(count == 0 ? tokens : tokens / 2);
        if (count == 0) return;

        prompts[0].Share = Math.Min(prompts[0].Pending, (tokens + 1) / 2);
        tokens -= prompts[0].Share;
        Span<Sequence> byLength = prompts.AsSpan(0, count);
        byLength.Sort(static (a, b) => a.Pending != b.Pending ? a.Pending.CompareTo(b.Pending) : Sequence.Compare(a, b));
        foreach (Sequence sequence in byLength)
        {
            int more = Math.Min(sequence.Pending - sequence.Share, tokens);
            sequence.Share += more;
            tokens -= more;
        }
        byLength.Clear();
    }

    /// <summary>Shares tokens out among the drafts of growing texts.</summary>
    /// <returns>Tokens given.</returns>
    private int PlanDrafts(int most)
    {
        int given = 0;
        foreach (Sequence sequence in running)
        {
            if (sequence.Share == 0) continue;
            sequence.DraftShare = Math.Min(sequence.Draft.Length, most - given);
            given += sequence.DraftShare;
        }
        return given;
    }

    /// <summary>
    /// Gives a sequence what is cached of its tokens. One whose next block an earlier sequence is about to compute does not
    /// start yet: it will find the block.
    /// </summary>
    private bool Start(Sequence sequence, List<BlockCopy> copies)
    {
        if (prefixCaching == PrefixCaching.On && !sequence.NeedsAllLogits)
        {
            int found;
            do
            {
                found = sequence.Cache.Length;
                sequence.Cache.Release();
                sequence.Cache.Restore(sequence.Tokens);
                if (AwaitsAnother(sequence)) return false;
            }
            while (sequence.Cache.Length != found);
            sequence.Cache.RestoreBeginning(sequence.Tokens, copies);
        }
        if (sequence.CachedTokens is null) Count(sequence);
        return sequence.HasStarted = true;
    }

    private void Count(Sequence sequence)
    {
        sequence.CachedTokens = sequence.Cache.Length;
        counters.PromptTokens += sequence.PromptLength;
        counters.PrefixCacheQueries += sequence.PromptLength;
        counters.PrefixCacheHits += sequence.Cache.Length;
    }

    private bool AwaitsAnother(Sequence sequence)
    {
        foreach (Sequence other in running)
        {
            if (other == sequence) return false;
            if (other.HasStarted && sequence.Cache.AwaitsBlockOf(other.Cache, sequence.Tokens)) return true;
        }
        return false;
    }

    /// <summary>How many tokens can be added; preempts those served later until one can.</summary>
    /// <returns>0 when the sequence has to wait for others to end.</returns>
    private int MakeRoom(Sequence sequence)
    {
        while (true)
        {
            int room = sequence.Cache.Room();
            if (room > 0 || running[^1] == sequence) return room;
            Preempt(running[^1]);
        }
    }

    private void Preempt(Sequence sequence)
    {
        running.Remove(sequence);
        sequence.Adapter?.Stop();
        sequence.Cache.Release();
        sequence.HasStarted = false;
        sequence.DropDraft();
        counters.Preemptions++;
        Insert(waiting, sequence);
    }

    private static void Insert(List<Sequence> list, Sequence sequence)
    {
        int at = list.Count;
        while (at > 0 && Sequence.Compare(list[at - 1], sequence) > 0) at--;
        list.Insert(at, sequence);
    }
}
