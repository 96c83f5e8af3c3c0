using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Generation;
using Lapidary.Models;
using Lapidary.Sampling;
using Lapidary.Scheduling;

namespace Lapidary.Tests.Scheduling;

public sealed class EngineLoopTests(EngineLoopTests.OpenModel opened) : IClassFixture<EngineLoopTests.OpenModel>, IDisposable
{
    private static readonly EngineOptions Options = new() { MaxNumSeqs = 4, MaxNumBatchedTokens = 64, MaxWaiting = 3 };

    private readonly EngineLoop engine = new(opened.Model, Options);

    /// <summary>Opened once; each test has an engine of its own, one after the other.</summary>
    public sealed class OpenModel : IDisposable
    {
        public OpenModel() => Model = LanguageModel.Open(Goldens.TinyModel, Kernels, Options.Sized(new LanguageModelOptions()));

        public CpuKernels Kernels { get; } = new();
        public LanguageModel Model { get; }

        public void Dispose()
        {
            Model.Dispose();
            Kernels.Dispose();
        }
    }

    [Fact]
    public async Task Greedy_tokens_are_those_of_HuggingFace()
    {
        using ICheckpoint golden = Checkpoint.Open(Path.Combine(Goldens.TinyModel, "golden.safetensors"));
        string[] prompts = [.. golden.Names.Where(n => n.EndsWith(".prompt_ids", StringComparison.Ordinal)).Select(n => n[..^".prompt_ids".Length])];
        Assert.True(prompts.Length > 1);
        foreach (string[] together in prompts.Chunk(4))
        {
            int[][] expected = [.. together.Select(prompt => golden.Find($"{prompt}.output_ids")!.ToInt32s())];
            RequestHandle[] handles = [.. together.Select((prompt, i) => engine.Submit(Greedy(golden.Find($"{prompt}.prompt_ids")!.ToInt32s(), expected[i].Length)))];
            for (int i = 0; i < handles.Length; i++)
            {
                List<TokenEvent> events = await Read(handles[i]);
                Assert.Equal(expected[i], events.Select(e => e.TokenId));
                Assert.Equal(expected[i].Length, events[^1].Completion!.Usage.CompletionTokens);
                Assert.All(events.SkipLast(1), e => Assert.Null(e.Completion));
            }
        }
    }

    [Fact]
    public async Task Many_threads_that_submit_read_and_cancel_leave_nothing_behind()
    {
        Task[] clients = [.. Enumerable.Range(0, 8).Select(client => Task.Run(async () =>
        {
            Random random = new(client);
            for (int i = 0; i < 8; i++)
            {
                int tokens = random.Next(1, 12), patience = random.Next(0, 24);
                RequestHandle handle;
                try
                {
                    handle = engine.Submit(Greedy([2, 300 + client, 400 + i], tokens));
                }
                catch (QueueFullException)
                {
                    await Task.Delay(5, TestContext.Current.CancellationToken);
                    continue;
                }
                int read = 0;
                Completion? end = null;
                await foreach (TokenEvent next in handle.Events.ReadAllAsync(TestContext.Current.CancellationToken))
                {
                    end = next.Completion;
                    if (next.TokenId != TokenEvent.NoToken) read++;
                    if (read > patience) handle.Cancel();
                }
                Assert.True(end!.Reason == FinishReason.Abort || read == tokens || end.Reason == FinishReason.Stop);
            }
        }))];
        await Task.WhenAll(clients);
        await engine.DrainAsync();
        EngineStatistics statistics = engine.Statistics;
        Assert.Equal((0, 0, 0.0, EngineHealth.Stopped), (statistics.Running, statistics.Waiting, statistics.KvCacheUsage, statistics.Health));
        Assert.Equal(64 - statistics.Rejections, statistics.FinishedStop + statistics.FinishedLength + statistics.FinishedAbort);
        Assert.Null(engine.Failure);
    }

    [Fact]
    public async Task Too_many_requests_are_refused_and_counted()
    {
        RequestHandle[] accepted = [.. Enumerable.Range(0, 7).Select(i => engine.Submit(Greedy([2, 300 + i], 1000)))];
        QueueFullException refusal = Assert.Throws<QueueFullException>(() => engine.Submit(Greedy([2], 1)));
        Assert.Contains("at most 3 may wait", refusal.Message, StringComparison.Ordinal);
        Assert.Equal((1, 7), (engine.Statistics.Rejections, engine.Statistics.Running + engine.Statistics.Waiting));
        foreach (RequestHandle handle in accepted) handle.Cancel();
        foreach (RequestHandle handle in accepted) Assert.Equal(FinishReason.Abort, (await Read(handle))[^1].Completion!.Reason);
        Assert.Single(await Read(engine.Submit(Greedy([2], 1))));
    }

    [Fact]
    public async Task A_queue_without_bound_takes_everything()
    {
        engine.Dispose(); // one engine at a time owns the model
        using EngineLoop unbounded = new(opened.Model, Options with { MaxWaiting = int.MaxValue });
        RequestHandle[] handles = [.. Enumerable.Range(0, 20).Select(i => unbounded.Submit(Greedy([2, 300 + i], 2)))];
        foreach (RequestHandle handle in handles) Assert.Equal(FinishReason.Length, (await Read(handle))[^1].Completion!.Reason);
        Assert.Equal(0, unbounded.Statistics.Rejections);
    }

    [Fact]
    public async Task Draining_finishes_what_was_accepted_and_refuses_the_rest()
    {
        RequestHandle[] handles = [.. Enumerable.Range(0, 6).Select(i => engine.Submit(Greedy([2, 300 + i], 5)))];
        Task drained = engine.DrainAsync();
        Assert.Throws<EngineUnavailableException>(() => engine.Submit(Greedy([2], 1)));
        await drained;
        foreach (RequestHandle handle in handles) Assert.NotEqual(FinishReason.Abort, (await Read(handle))[^1].Completion!.Reason);
        Assert.Equal(0, engine.Statistics.Running + engine.Statistics.Waiting);
    }

    [Fact]
    public async Task Stopping_aborts_what_runs_and_waits()
    {
        RequestHandle[] handles = [.. Enumerable.Range(0, 6).Select(i => engine.Submit(Greedy([2, 300 + i], 1000)))];
        await handles[0].Events.WaitToReadAsync(TestContext.Current.CancellationToken);
        engine.Dispose();
        foreach (RequestHandle handle in handles) Assert.Equal(FinishReason.Abort, (await Read(handle))[^1].Completion!.Reason);
        Assert.Throws<EngineUnavailableException>(() => engine.Submit(Greedy([2], 1)));
    }

    [Fact]
    public void Requests_that_cannot_be_served_are_refused_with_the_reason()
    {
        ContextOverflowException overflow = Assert.Throws<ContextOverflowException>(() => engine.Submit(Greedy(new int[2048], 1)));
        Assert.Equal((2048, 2048), (overflow.PromptTokens, overflow.ContextLength));
        Assert.Equal("top_p", Assert.Throws<ParameterException>(() => engine.Submit(Greedy([2], 1) with { Sampling = new() { TopP = 7 } })).Parameter);
        Assert.Equal("n", Assert.Throws<ParameterException>(() => engine.Submit(Greedy([2], 1) with { Sampling = new() { N = 2, Temperature = 0 } })).Parameter);
        Assert.Contains("token id 6144 is outside", Assert.Throws<RequestException>(() => engine.Submit(Greedy([6144], 1))).Message, StringComparison.Ordinal);
        Assert.Contains("empty", Assert.Throws<RequestException>(() => engine.Submit(Greedy([], 1))).Message, StringComparison.Ordinal);
        Assert.Equal(0, engine.Statistics.Waiting);
    }

    [Fact]
    public void Limits_that_contradict_each_other_are_refused()
    {
        Assert.Contains("more than max_num_seqs", Assert.Throws<RequestException>(() => new EngineOptions { MaxNumSeqs = 8, MaxNumBatchedTokens = 8 }.Sized(new())).Message, StringComparison.Ordinal);
        Assert.Contains("opened for 4 texts", Assert.Throws<RequestException>(() => new EngineLoop(opened.Model, new EngineOptions { MaxNumSeqs = 5 })).Message, StringComparison.Ordinal);
        Assert.Contains("one text of 2048 tokens needs", Assert.Throws<RequestException>(() => LanguageModel.Open(Goldens.TinyModel, opened.Kernels, new() { KvCacheMemory = 1000 })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_seed_repeats_a_text_and_none_is_told_afterwards()
    {
        InferenceRequest request = Greedy([2, 300, 301], 12) with { Sampling = new() { MaxTokens = 12, IgnoreEos = true } };
        RequestHandle first = engine.Submit(request);
        List<TokenEvent> text = await Read(first);
        List<TokenEvent> again = await Read(engine.Submit(request with { Sampling = request.Sampling with { Seed = first.Seed } }));
        Assert.Equal(text.Select(e => e.TokenId), again.Select(e => e.TokenId));
        Assert.NotEqual(first.Seed, engine.Submit(request with { Sampling = request.Sampling with { Seed = -1 } }).Seed);
    }

    [Fact]
    public async Task A_defect_of_the_engine_ends_every_request_with_an_error_and_refuses_more()
    {
        engine.Dispose();
        BrokenClock clock = new();
        using EngineLoop broken = new(opened.Model, Options, clock);
        RequestHandle[] handles = [.. Enumerable.Range(0, 3).Select(i => broken.Submit(Greedy([2, 300 + i], 1000) with { Timeout = TimeSpan.FromHours(1) }))];
        clock.Break();
        foreach (RequestHandle handle in handles)
            Assert.Equal("the engine failed: the clock broke", Assert.IsType<GenerationException>((await Read(handle))[^1].Completion!.Error).Message);
        await broken.DrainAsync();
        Assert.Equal("the clock broke", broken.Failure!.Message);
        Assert.Equal((EngineHealth.Stopped, 0), (broken.Health, broken.Statistics.Running + broken.Statistics.Waiting));
        Assert.Throws<EngineUnavailableException>(() => broken.Submit(Greedy([2], 1)));
    }

    /// <summary>Fails once when told to; then only the engine's thread asks it, looking for late requests.</summary>
    private sealed class BrokenClock : TimeProvider
    {
        private int breaks;

        public void Break() => Volatile.Write(ref breaks, 1);

        public override long GetTimestamp()
            => Interlocked.Exchange(ref breaks, 0) == 1 ? throw new InvalidOperationException("the clock broke") : base.GetTimestamp();
    }

    public void Dispose() => engine.Dispose();

    private static InferenceRequest Greedy(int[] prompt, int maxTokens) => new()
    {
        Id = "test",
        PromptIds = [.. prompt],
        Sampling = new SamplingParameters { Temperature = 0, MaxTokens = maxTokens },
    };

    private static async Task<List<TokenEvent>> Read(RequestHandle handle)
    {
        List<TokenEvent> events = [];
        await foreach (TokenEvent next in handle.Events.ReadAllAsync(TestContext.Current.CancellationToken)) events.Add(next);
        return events;
    }
}
