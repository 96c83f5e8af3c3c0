using System.Collections.Concurrent;
using Lapidary.KvCache;
using Lapidary.Models;
using Lapidary.Speculation;
using Lapidary.Tokenizers;

namespace Lapidary.Scheduling;

/// <summary>
/// Serves requests from any number of threads with one model. One thread owns scheduler, cache and model; the others only
/// submit, cancel and read events.
/// </summary>
public sealed class EngineLoop : IDisposable
{
    private readonly EngineOptions options;
    private readonly EngineCounters counters = new();
    private readonly EngineCore core;
    private readonly SequenceFactory sequences;
    private readonly ConcurrentQueue<Sequence> submissions = new();
    private readonly SemaphoreSlim wake = new(0); // holds no handle, so it needs no disposal and late callers find it alive
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock submitting = new();
    private readonly Thread thread;
    private volatile EngineHealth health;
    private volatile Exception? failure;

    /// <param name="model">Opened with <see cref="EngineOptions.Sized"/>. Owned by the engine's thread from now on; still
    /// disposed by the caller, after the engine.</param>
    /// <exception cref="RequestException">The limits contradict each other or what the model was opened for.</exception>
    public EngineLoop(LanguageModel model, EngineOptions options, TimeProvider? time = null)
        : this(model.Kernels, model.Network, model.Cache, model.Batch, model.HasTokenizer ? model.Tokenizer : null, model.EosTokenIds, options, time, options.Drafting == Drafting.On ? model.Drafter : null)
    {
    }

    internal EngineLoop(
        IKernels kernels, IModel model, KeyValueCache cache, ForwardBatch batch, Tokenizer? tokenizer, IReadOnlyList<int> eosTokenIds,
        EngineOptions options, TimeProvider? time, IDrafter? drafter = null)
    {
        options.Check();
        if (batch.MaxSequences < options.MaxNumSeqs || model.MaxLogitRows < options.MaxNumSeqs)
            throw new RequestException($"the model was opened for {Math.Min(batch.MaxSequences, model.MaxLogitRows)} texts at once, and max_num_seqs is {options.MaxNumSeqs}");
        this.options = options;
        sequences = new SequenceFactory(cache, model.VocabSize, model.Adapters, tokenizer, eosTokenIds, options.PrefixCaching, time ?? TimeProvider.System);
        StepLimits limits = new(options.MaxNumSeqs, Math.Min(options.MaxNumBatchedTokens, batch.MaxTokens), model.MaxLogitRows);
        core = new EngineCore(kernels, model, cache, batch, limits, options.PrefixCaching, counters, drafter);
        thread = new Thread(Run) { IsBackground = true, Name = "lapidary-engine" };
        thread.Start();
    }

    /// <summary>Gauges and counters; may be read from any thread.</summary>
    public EngineStatistics Statistics => counters.Snapshot(health);

    public EngineHealth Health => health;

    /// <summary>Most choices that it holds at once, computed and waiting.</summary>
    public long MaxChoices => (long)options.MaxNumSeqs + options.MaxWaiting;

    /// <summary>The defect that stopped the engine, or null.</summary>
    public Exception? Failure => failure;

    /// <summary>Accepts a request or says why not. Tokens appear in the handle's events.</summary>
    /// <exception cref="ParameterException">A sampling parameter is out of range.</exception>
    /// <exception cref="ContextOverflowException">The prompt leaves no room for output.</exception>
    /// <exception cref="RequestException">The prompt is empty or holds an id outside the vocabulary.</exception>
    /// <exception cref="AdapterException">No adapter of its name is loaded.</exception>
    /// <exception cref="QueueFullException">Too many wait.</exception>
    /// <exception cref="EngineUnavailableException">The engine drains or has stopped.</exception>
    public RequestHandle Submit(InferenceRequest request)
    {
        sequences.Check(request);
        RequestHandle handle = new(request, options.MaxUnreadEvents);
        Accept(request.Sampling.N);
        Sequence[] choices = [];
        try
        {
            Enqueue(choices = sequences.Make(handle));
        }
        catch
        {
            sequences.Discard(choices);
            Interlocked.Add(ref counters.Accepted, -request.Sampling.N);
            throw;
        }
        wake.Release();
        return handle;
    }

    /// <summary>Takes no more requests; the task ends when all accepted ones have.</summary>
    public Task DrainAsync()
    {
        Refuse(EngineHealth.Draining);
        return ended.Task;
    }

    /// <summary>Aborts what runs and waits, and ends the thread.</summary>
    public void Dispose()
    {
        Refuse(EngineHealth.Stopped);
        thread.Join();
    }

    private void Accept(int choices)
    {
        if (Interlocked.Add(ref counters.Accepted, choices) <= MaxChoices) return;
        int waiting = Interlocked.Add(ref counters.Accepted, -choices) - counters.Running;
        Interlocked.Increment(ref counters.Rejections);
        throw new QueueFullException(waiting, $"{waiting} requests wait already and this one brings {choices}; at most {options.MaxWaiting} may wait. Try again later");
    }

    private void Enqueue(Sequence[] choices)
    {
        lock (submitting)
        {
            if (health != EngineHealth.Ready) throw new EngineUnavailableException("the engine is stopping and takes no more requests", failure);
            foreach (Sequence choice in choices) submissions.Enqueue(choice);
        }
    }

    private void Refuse(EngineHealth next)
    {
        lock (submitting)
            if (health < next) health = next;
        wake.Release();
    }

    private void Run()
    {
        try
        {
            while (health != EngineHealth.Stopped)
            {
                while (submissions.TryDequeue(out Sequence? sequence)) core.Add(sequence);
                if (core.Step()) continue;
                if (health == EngineHealth.Draining && submissions.IsEmpty) break;
                wake.Wait();
            }
        }
        catch (Exception defect) // a thread must not die silently: everybody is told
        {
            failure = defect;
        }
        Refuse(EngineHealth.Stopped);
        try
        {
            while (submissions.TryDequeue(out Sequence? sequence)) core.Add(sequence);
            core.EndAll(failure is { } cause ? new GenerationException($"the engine failed: {cause.Message}", cause) : null);
        }
        catch (Exception defect)
        {
            failure ??= defect;
        }
        ended.SetResult();
    }
}
