using Lapidary.Cpu;
using Lapidary.KvCache;
using Lapidary.Models;
using Lapidary.Sampling;
using Lapidary.Scheduling;
using Lapidary.Speculation;
using Lapidary.Tokenizers;

namespace Lapidary.Tests.Scheduling;

/// <summary>Sizes of an engine under test.</summary>
internal sealed record TestSizes
{
    public int Window { get; init; } = 20;
    public int Context { get; init; } = 160;
    public int Sequences { get; init; } = 4;
    public int StepTokens { get; init; } = 24;
    public int LogitRows { get; init; } = 6;

    /// <summary>Texts of full length that the cache holds.</summary>
    public int CachedTexts { get; init; } = 4;
    public PrefixCaching PrefixCaching { get; init; } = PrefixCaching.On;
    public int MaxUnreadEvents { get; init; } = 100_000;

    /// <summary>Most tokens of a draft; 0 for none.</summary>
    public int DraftTokens { get; init; }

    /// <summary>Probability that a token of a draft is right.</summary>
    public double DraftQuality { get; init; }
}

/// <summary>An engine over the fake model, stepped by the test itself.</summary>
internal sealed class TestEngine : IDisposable
{
    private static readonly Gemma4Config Config = Gemma4ConfigReader.Load(Goldens.Case("moe_keqv_bf16")) with { Layers = [] };

    private readonly CpuKernels kernels = new(threads: 1);
    private readonly ForwardBatch batch;
    private readonly SequenceFactory sequences;
    private readonly List<(RequestHandle Handle, List<TokenEvent> Events)> submitted = [];

    public TestEngine(
        TestSizes sizes, int? poisonToken = null, TimeProvider? time = null, Tokenizer? tokenizer = null, CacheSize? cacheSize = null,
        IDrafter? drafter = null)
    {
        Sizes = sizes;
        Gemma4Config config = Config with { SlidingWindow = sizes.Window, VocabSize = FakeModel.Vocab };
        Cache = new KeyValueCache(kernels, config, sizes.Context, cacheSize ?? CacheSize.ForSequences(config, KeyValueType.F32, sizes.Context, sizes.StepTokens, sizes.CachedTexts));
        batch = new ForwardBatch(kernels, Cache, sizes.StepTokens, sizes.Sequences);
        Model = new FakeModel(kernels, Cache, sizes.StepTokens, sizes.LogitRows) { PoisonToken = poisonToken };
        sequences = new SequenceFactory(Cache, FakeModel.Vocab, Model.Adapters, tokenizer, [], sizes.PrefixCaching, time ?? TimeProvider.System);
        Core = new EngineCore(kernels, Model, Cache, batch, new StepLimits(sizes.Sequences, sizes.StepTokens, sizes.LogitRows), sizes.PrefixCaching, Counters,
            drafter ?? (sizes.DraftTokens == 0 ? null : new OracleDrafter(Expected, sizes.DraftTokens, sizes.DraftQuality)));
    }

    public TestSizes Sizes { get; }
    public KeyValueCache Cache { get; }
    public FakeModel Model { get; }
    public EngineCore Core { get; }
    public EngineCounters Counters { get; } = new();

    public (RequestHandle Handle, List<TokenEvent> Events) Add(InferenceRequest request)
    {
        sequences.Check(request);
        RequestHandle handle = new(request, Sizes.MaxUnreadEvents);
        Counters.Accepted += request.Sampling.N;
        foreach (Sequence sequence in sequences.Make(handle)) Core.Add(sequence);
        submitted.Add((handle, []));
        return submitted[^1];
    }

    public static InferenceRequest Request(ReadOnlySpan<int> prompt, int maxTokens, SamplingParameters? sampling = null) => new()
    {
        Id = "test",
        PromptIds = [.. prompt],
        Sampling = (sampling ?? new SamplingParameters { Temperature = 0 }) with { MaxTokens = maxTokens },
    };

    /// <summary>One step; the events it brought are in the lists.</summary>
    public bool Step()
    {
        bool worked = Core.Step();
        foreach ((RequestHandle handle, List<TokenEvent> events) in submitted)
            while (handle.Events.TryRead(out TokenEvent next)) events.Add(next);
        return worked;
    }

    public void RunToEnd()
    {
        for (int step = 0; Step(); step++) Assert.True(step < 100_000, "the engine does not come to an end");
    }

    /// <summary>Nothing is held or counted as live, and every event has been read.</summary>
    public void AssertIdle()
    {
        AssertIdleButUnread();
        Assert.All(submitted, s => Assert.True(s.Handle.Events.Completion.IsCompleted));
    }

    public void AssertIdleButUnread()
    {
        Assert.All(Cache.Groups, group => Assert.Equal(group.Pool.Blocks, group.Pool.Free));
        EngineStatistics statistics = Counters.Snapshot(EngineHealth.Ready);
        Assert.Equal((0, 0, 0.0), (statistics.Running, statistics.Waiting, statistics.KvCacheUsage));
    }

    /// <summary>The tokens of a choice, one by one from the definition of the model.</summary>
    public int[] Expected(RequestHandle handle, int choice)
    {
        InferenceRequest request = handle.Request;
        List<int> tokens = [.. request.PromptIds];
        Sampler sampler = new(request.Sampling, FakeModel.Vocab, handle.Seed + choice, request.PromptIds.AsSpan(), [], []);
        int most = Math.Min(request.Sampling.MaxTokens!.Value, Sizes.Context - tokens.Count);
        for (int i = 0; i < most; i++)
        {
            int token = sampler.Sample(FakeModel.Logits([.. tokens], Sizes.Window), [.. tokens.Skip(request.PromptIds.Length)]).Token;
            tokens.Add(token);
            if (request.Sampling.StopTokenIds.Contains(token)) break;
        }
        return [.. tokens.Skip(request.PromptIds.Length)];
    }

    public void Dispose()
    {
        Model.Dispose();
        batch.Dispose();
        Cache.Dispose();
        kernels.Dispose();
    }
}
