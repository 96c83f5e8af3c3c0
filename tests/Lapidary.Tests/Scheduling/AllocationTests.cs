using Lapidary.Cpu;
using Lapidary.Models;
using Lapidary.Sampling;
using Lapidary.Scheduling;
using Lapidary.Speculation;
using Lapidary.Tests.Cpu;
using Lapidary.Tests.Speculation;

namespace Lapidary.Tests.Scheduling;

[Collection(nameof(Alone))]
public sealed class AllocationTests
{
    private static readonly SamplingParameters[] Kinds =
    [
        new() { Temperature = 0 }, new() { Seed = 1 }, new() { Seed = 2, TopK = 40, TopP = 0.9 }, new() { Seed = 3, TopP = 0.9 }, new() { Seed = 4, MinP = 0.1 },
        new() { Seed = 5, RepetitionPenalty = 1.1, FrequencyPenalty = 0.1, Stop = ["\u0001 never"] }, new() { Seed = 6, BadWords = ["never"], LogitBias = new Dictionary<int, double> { [5] = 1 } },
    ];

    [Theory]
    [InlineData(null, 0, 12_000)] // the smallest object, once a step and sequence, would be 25 KB; the test runner allocates a little
    [InlineData(0, 50_000, long.MaxValue)] // those who ask for log-probabilities get objects: the measurement sees them
    public void A_step_of_the_engine_allocates_no_managed_memory(int? logprobs, long least, long most)
    {
        (int tokens, long allocated) = Measure(logprobs, speculative: null);
        Assert.Equal(150 * Kinds.Length, tokens);
        Assert.InRange(allocated, least, most);
    }

    [Fact]
    public void Nor_does_one_that_checks_drafts()
    {
        (int tokens, long allocated) = Measure(logprobs: null, new NgramConfig(2, 1, 3));
        Assert.InRange(tokens, 150 * Kinds.Length + 1, 450 * Kinds.Length);
        Assert.InRange(allocated, 0, 12_000);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Nor_does_one_with_a_drafter(bool centroids)
    {
        using DrafterFolder folder = new(Gemma4ConfigReader.Load(Goldens.TinyModel), centroids);
        (int tokens, long allocated) = Measure(logprobs: null, new MtpConfig(2, folder.Path));
        Assert.InRange(tokens, 150 * Kinds.Length, 450 * Kinds.Length);
        Assert.InRange(allocated, 0, 12_000);
    }

    private static (int Tokens, long Allocated) Measure(int? logprobs, SpeculativeConfig? speculative)
    {
        using CpuKernels kernels = new();
        EngineOptions options = new() { MaxNumSeqs = 8, MaxNumBatchedTokens = 64 };
        using LanguageModel model = LanguageModel.Open(Goldens.TinyModel, kernels, options.Sized(new LanguageModelOptions { Speculative = speculative }));
        StepLimits limits = new(options.MaxNumSeqs, model.Batch.MaxTokens, model.Network.MaxLogitRows);
        EngineCore core = new(kernels, model.Network, model.Cache, model.Batch, limits, PrefixCaching.On, new EngineCounters(), model.Drafter);
        SequenceFactory sequences = new(model.Cache, model.Config.VocabSize, model.Adapters, model.Tokenizer, model.EosTokenIds, PrefixCaching.On, TimeProvider.System);
        RequestHandle[] handles =
        [
            .. Kinds.Select((kind, i) => new RequestHandle(new InferenceRequest
            {
                Id = "test",
                PromptIds = [2, 300 + i],
                Sampling = kind with { IgnoreEos = true, MaxTokens = speculative is null ? 400 : 1100, Logprobs = logprobs },
            }, maxUnreadEvents: 100)),
        ];
        foreach (RequestHandle handle in handles)
            foreach (Sequence sequence in sequences.Make(handle)) core.Add(sequence);

        for (int id = 0; id < model.Config.VocabSize; id++) model.Tokenizer.FixedText(id); // texts are made once per token
        Run(core, handles, 200);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        int tokens = Run(core, handles, 150);
        return (tokens, GC.GetTotalAllocatedBytes(precise: true) - before);
    }

    private static int Run(EngineCore core, RequestHandle[] handles, int steps)
    {
        int tokens = 0;
        for (int i = 0; i < steps; i++)
        {
            core.Step();
            foreach (RequestHandle handle in handles)
                while (handle.Events.TryRead(out _)) tokens++;
        }
        return tokens;
    }
}
