using System.Threading.Channels;
using Lapidary.Generation;
using Lapidary.Models;
using Lapidary.Tokenizers;

namespace Lapidary.Scheduling;

/// <summary>
/// Serves requests from any number of threads with one model. One thread owns scheduler, cache and model; the others only
/// submit, cancel and read events.
/// </summary>
public sealed class EngineLoop : IDisposable
{
    private readonly LanguageModel model;
    private readonly EngineOptions options;
    private readonly TimeProvider time;
    private readonly Channel<(RequestHandle Handle, long Submitted)> submissions = Channel.CreateUnbounded<(RequestHandle, long)>();
    private readonly Thread thread;
    private readonly TaskCompletionSource drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile EngineStatistics statistics = new();
    private volatile bool stopping;
    private int waiting;

    /// <param name="model">Owned by the engine's thread from now on; still disposed by the caller, after the engine.</param>
    public EngineLoop(LanguageModel model, EngineOptions options, TimeProvider? time = null)
    {
        this.model = model;
        this.options = options;
        this.time = time ?? TimeProvider.System;
        thread = new Thread(Run) { IsBackground = true, Name = "lapidary-engine" };
        thread.Start();
    }

    /// <summary>Gauges and counters; may be read from any thread.</summary>
    public EngineStatistics Statistics => statistics with { Waiting = Volatile.Read(ref waiting) };

    /// <summary>Accepts a request or says why not. Tokens appear in the handle's events.</summary>
    /// <exception cref="ParameterException">A sampling parameter is out of range.</exception>
    /// <exception cref="ContextOverflowException">The prompt leaves no room for output.</exception>
    /// <exception cref="RequestException">The prompt is empty or holds an id outside the vocabulary.</exception>
    /// <exception cref="QueueFullException">Too many wait.</exception>
    /// <exception cref="EngineUnavailableException">The engine drains or has stopped.</exception>
    public RequestHandle Submit(InferenceRequest request)
    {
        request.Sampling.Checked(model.Config.VocabSize);
        TextGenerator.CheckPrompt(model, request.PromptIds.AsSpan());
        if (statistics.Health != EngineHealth.Ready) throw new EngineUnavailableException("the engine is stopping and takes no more requests");
        if (Volatile.Read(ref waiting) >= options.MaxWaiting)
            throw new QueueFullException(options.MaxWaiting, $"{options.MaxWaiting} requests wait already, the most that may; try again later");
        RequestHandle handle = new(request, options.MaxUnreadEvents);
        Interlocked.Increment(ref waiting);
        if (!submissions.Writer.TryWrite((handle, time.GetTimestamp())))
            throw new EngineUnavailableException("the engine is stopping and takes no more requests");
        return handle;
    }

    /// <summary>Takes no more requests; the task ends when all accepted ones have.</summary>
    public Task DrainAsync()
    {
        if (statistics.Health == EngineHealth.Ready) statistics = statistics with { Health = EngineHealth.Draining };
        submissions.Writer.TryComplete();
        return drained.Task;
    }

    /// <summary>Aborts what runs and waits, and ends the thread.</summary>
    public void Dispose()
    {
        stopping = true;
        submissions.Writer.TryComplete();
        thread.Join();
    }

    private void Run()
    {
        while (submissions.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            if (!submissions.Reader.TryRead(out (RequestHandle Handle, long Submitted) next)) continue;
            Interlocked.Decrement(ref waiting);
            for (int choice = 0; choice < next.Handle.Request.Sampling.N; choice++) Serve(next.Handle, choice, next.Submitted);
            next.Handle.Writer.TryComplete();
        }
        statistics = statistics with { Health = EngineHealth.Stopped };
        drained.TrySetResult();
    }

    private void Serve(RequestHandle handle, int choice, long submitted)
    {
        InferenceRequest request = handle.Request;
        TextGenerator generator = new(model);
        StopMatcher stops = new(request.Sampling.Stop);
        IncrementalDetokenizer? detokenizer = model.HasTokenizer ? new(model.Tokenizer, SpecialText.Skip) : null;
        int made = 0;
        TimeSpan queued = time.GetElapsedTime(submitted);
        try
        {
            foreach (int id in generator.Generate([.. request.PromptIds], request.Sampling with { Seed = request.Sampling.Seed + choice }))
            {
                made++;
                string text = detokenizer is null ? "" : stops.Push(detokenizer.Push(id));
                if (handle.IsCancelled || stopping)
                {
                    handle.Writer.TryWrite(new TokenEvent(choice, id, text, null, End(FinishReason.Abort, null, null)));
                    return;
                }
                FinishReason? reason = stops.Matched is not null ? FinishReason.Stop : generator.FinishReason;
                if (reason is not null && stops.Matched is null && detokenizer is not null) text += stops.Push(detokenizer.Flush()) + stops.Flush();
                Completion? completion = reason is { } why
                    ? End(why, null, why == FinishReason.Stop && stops.Matched is null ? id : null)
                    : null;
                handle.Writer.TryWrite(new TokenEvent(choice, id, text, null, completion));
                if (completion is not null) return;
            }
        }
        catch (LapidaryException exception)
        {
            handle.Writer.TryWrite(new TokenEvent(choice, TokenEvent.NoToken, "", null, End(FinishReason.Error, exception, null)));
        }

        Completion End(FinishReason reason, LapidaryException? error, int? token) => new(
            reason, stops.Matched, token, new Usage(request.PromptIds.Length, made, 0),
            new RequestTimings(queued, TimeSpan.Zero, time.GetElapsedTime(submitted) - queued), error);
    }
}
