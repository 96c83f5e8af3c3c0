using Lapidary.Generation;
using Lapidary.KvCache;
using Lapidary.Models;
using Lapidary.Speculation;

namespace Lapidary.Scheduling;

/// <summary>
/// Scheduler, cache and model, step by step, on the thread that calls. What fails in one sequence ends that one; when a
/// whole step fails, its sequences end and the others go on. Allocates nothing per step beside what requests ask for.
/// </summary>
/// <param name="drafter">Proposes how texts go on; null for one token of each text a step.</param>
internal sealed class EngineCore(
    IKernels kernels, IModel model, KeyValueCache cache, ForwardBatch batch, StepLimits limits, PrefixCaching prefixCaching, EngineCounters counters,
    IDrafter? drafter = null)
    : IHostWork
{
    private readonly Scheduler scheduler = new(cache, limits, prefixCaching, counters);
    private readonly ScheduledStep step = new(limits.Sequences);
    private readonly (Sequence Sequence, Range Rows, int Drafted)[] rows = new (Sequence, Range, int)[limits.Sequences];
    private readonly List<Sequence> growing = new(limits.Sequences);
    private readonly List<Sequence> ended = [];
    private IBuffer? logits;

    public bool HasWork => scheduler.Running.Count + scheduler.Waiting.Count > 0;

    public void Add(Sequence sequence) => scheduler.Add(sequence);

    /// <summary>Computes one step.</summary>
    /// <returns>Whether there was anything to do.</returns>
    public bool Step()
    {
        EndCancelled();
        scheduler.Schedule(step);
        if (step.Copies.Count > 0) Copy();
        if (step.Parts.Count > 0)
        {
            counters.Step(step.Tokens);
            Compute();
        }
        else if (scheduler.Running.Count > 0) EndForWantOfCache(scheduler.Running[0]);
        Count();
        return step.Parts.Count > 0 || HasWork;
    }

    /// <summary>Ends everything.</summary>
    /// <param name="error">Null when it is only stopped.</param>
    public void EndAll(LapidaryException? error)
    {
        FinishReason reason = error is null ? FinishReason.Abort : FinishReason.Error;
        ended.Clear();
        ended.AddRange(scheduler.Running);
        ended.AddRange(scheduler.Waiting);
        // After a defect giving back may fail too, so everybody is told first.
        foreach (Sequence sequence in ended)
        {
            Write(sequence, new TokenEvent(sequence.Choice, TokenEvent.NoToken, "", null, Complete(sequence, reason, error)));
            sequence.Handle.CompleteChoice();
        }
        foreach (Sequence sequence in ended) GiveBack(sequence, reason);
        ended.Clear();
        Count();
    }

    /// <summary>Uses the logits of one sequence; several threads do so for different ones.</summary>
    void IHostWork.Run(int item) => rows[item].Sequence.Use(kernels, logits!, model.LastHidden, rows[item].Rows, rows[item].Drafted);

    private void Copy()
    {
        try
        {
            foreach (BlockCopy copy in step.Copies) model.Copy(copy, cache);
        }
        catch (Exception exception)
        {
            // Some that run may hold what was not copied.
            ended.AddRange(scheduler.Running);
            foreach (Sequence sequence in ended) End(sequence, FinishReason.Error, new GenerationException($"the cache could not be copied: {exception.Message}", exception));
            ended.Clear();
            step.Clear();
        }
    }

    private void Compute()
    {
        batch.Clear();
        int used = 0;
        foreach (ScheduledPart part in step.Parts)
        {
            Sequence sequence = part.Sequence;
            int firstRow = batch.Logits.Count;
            batch.Add(
                sequence.Cache, sequence.Tokens.Slice(sequence.Cache.Length, part.Tokens), part.Rows,
                sequence.Adapter?.Slot ?? ForwardBatch.NoAdapter, sequence.Draft[..part.DraftTokens]);
            if (batch.Logits.Count > firstRow) rows[used++] = (sequence, firstRow..batch.Logits.Count, part.DraftTokens);
        }
        try
        {
            logits = model.Forward(batch, cache);
        }
        catch (Exception exception)
        {
            foreach (ScheduledPart part in step.Parts)
                End(part.Sequence, FinishReason.Error, new GenerationException($"the step could not be computed: {exception.Message}", exception));
            return;
        }
        kernels.OnHost(this, used, (long)batch.Logits.Count * model.VocabSize);
        for (int i = 0; i < used; i++) Give(rows[i].Sequence, rows[i].Drafted);
        if (drafter is not null) Draft(used);
    }

    /// <summary>Lets the drafter propose how the texts that have just grown go on.</summary>
    private void Draft(int used)
    {
        growing.Clear();
        for (int i = 0; i < used; i++)
            if (rows[i].Sequence is { Finish: null, Chosen.Length: > 0, MaxDraft: > 0 } sequence) growing.Add(sequence);
        if (growing.Count == 0) return;
        try
        {
            drafter!.Draft(growing, model.LastHidden);
        }
        catch (Exception exception)
        {
            foreach (Sequence sequence in growing)
                End(sequence, FinishReason.Error, new GenerationException($"the drafter failed: {exception.Message}", exception));
        }
    }

    /// <summary>Gives out what a sequence made of its logits.</summary>
    private void Give(Sequence sequence, int drafted)
    {
        int accepted = Math.Max(0, sequence.Chosen.Length - 1);
        sequence.Cache.Advance(sequence.Tokens.Slice(sequence.Cache.Length, accepted));
        if (drafted > 0) counters.Speculation.Count(drafted, accepted);
        if (sequence.Error is LogitsException)
        {
            counters.CorruptedRequests++;
            sequence.Cache.Forget();
        }
        Completion? completion = sequence.Finish is { } reason ? Complete(sequence, reason, sequence.Error) : null;
        foreach (ChosenToken token in sequence.Chosen)
        {
            sequence.Clock.Answer();
            counters.GenerationTokens++;
            Write(sequence, new TokenEvent(sequence.Choice, token.Id, token.Text, token.Logprobs, token.Ends ? completion : null));
        }
        if (completion is null) return;
        if (sequence.Chosen is [.., { Ends: true }]) Remove(sequence, completion.Reason);
        else End(sequence, completion.Reason, completion.Error); // no token brought it about: an embedding, or a failure
    }

    private void EndCancelled()
    {
        foreach (Sequence sequence in scheduler.Running)
            if (IsOver(sequence)) ended.Add(sequence);
        foreach (Sequence sequence in scheduler.Waiting)
            if (IsOver(sequence)) ended.Add(sequence);
        foreach (Sequence sequence in ended) End(sequence, FinishReason.Abort, sequence.Clock.Late);
        ended.Clear();
    }

    private static bool IsOver(Sequence sequence) => sequence.Handle.IsCancelled || sequence.Clock.IsLate;

    private void EndForWantOfCache(Sequence sequence) => End(sequence, FinishReason.Error, new GenerationException(
        $"the cache is full: it has no place for position {sequence.Cache.Length} of a single text; give it more memory"));

    private void End(Sequence sequence, FinishReason reason, LapidaryException? error)
    {
        Write(sequence, new TokenEvent(sequence.Choice, TokenEvent.NoToken, "", null, Complete(sequence, reason, error)));
        Remove(sequence, reason);
    }

    private static Completion Complete(Sequence sequence, FinishReason reason, LapidaryException? error) => new(
        reason, sequence.StopText, sequence.StopTokenId,
        new Usage(sequence.PromptLength, sequence.Output.Length, sequence.CachedTokens ?? 0), sequence.Clock.Timings(), error);

    private static void Write(Sequence sequence, in TokenEvent tokenEvent)
    {
        if (!sequence.Handle.TryWrite(tokenEvent)) sequence.Handle.Overflow();
    }

    private void Remove(Sequence sequence, FinishReason reason)
    {
        GiveBack(sequence, reason);
        sequence.Handle.CompleteChoice();
    }

    private void GiveBack(Sequence sequence, FinishReason reason)
    {
        counters.Finish(reason);
        scheduler.Remove(sequence);
        if (sequence.Adapter is { } adapter) model.Adapters.Release(adapter);
        Interlocked.Decrement(ref counters.Accepted);
        Count(); // before the last event is out: who has read it finds the gauges without this sequence
    }

    private void Count()
    {
        counters.Running = scheduler.Running.Count;
        counters.KvCacheUsage = cache.Usage;
    }
}
