using CsCheck;
using Lapidary.Cpu;
using Lapidary.Generation;
using Lapidary.Models;
using Lapidary.Models.Synthetic;
using Lapidary.Sampling;
using Lapidary.Scheduling;
using Lapidary.Speculation;
using Lapidary.Tests.Scheduling;
using Lapidary.Tokenizers;

namespace Lapidary.Tests.Speculation;

/// <summary>With drafts every event of every choice is what it is without: token, text, log-probabilities and how it ends.</summary>
public sealed class DraftedTextTests
{
    private static readonly Gen<SamplingParameters> AnyParameters =
        from temperature in Gen.OneOf(Gen.Const(0.0), Gen.Const(0.2), Gen.Const(1.0))
        from seed in Gen.Int[0, 10_000]
        from topK in Gen.OneOf(Gen.Const(0), Gen.Int[1, 10])
        from topP in Gen.OneOf(Gen.Const(1.0), Gen.Double[0.3, 0.95])
        from minP in Gen.OneOf(Gen.Const(0.0), Gen.Const(0.1))
        from penalty in Gen.OneOf(Gen.Const(0.0), Gen.Double[-0.5, 1.5])
        from repetition in Gen.OneOf(Gen.Const(1.0), Gen.Double[0.8, 1.5])
        from stops in Gen.Char["abc"].Array[1, 3].Array[0, 2]
        from stopIds in Gen.Int[0, FakeVocabulary.Unknown - 1].List[0, 1]
        from minTokens in Gen.OneOf(Gen.Const(0), Gen.Int[1, 10])
        from logprobs in Gen.OneOf(Gen.Const((int?)null), Gen.Int[0, 3].Select(n => (int?)n))
        from bias in Gen.Int[0, FakeVocabulary.Unknown - 1]
        from n in Gen.Frequency((4, Gen.Const(1)), (1, Gen.Int[2, 3]))
        select new SamplingParameters
        {
            Temperature = temperature,
            Seed = seed,
            TopK = topK,
            TopP = topP,
            MinP = minP,
            PresencePenalty = penalty,
            FrequencyPenalty = penalty / 2,
            RepetitionPenalty = repetition,
            Stop = seed % 11 == 0 ? [] : [.. stops.Select(stop => new string(stop))],
            StopTokenIds = stopIds,
            MinTokens = minTokens,
            MaxTokens = 10 + seed % 30,
            Logprobs = logprobs,
            // After "ab" nothing is left to choose from: that text fails.
            BadWords = seed % 11 == 0 ? ["abab", "abac"] : seed % 4 == 0 ? ["ab"] : [],
            AllowedTokenIds = seed % 11 == 0 ? [FakeVocabulary.Id("ab"), FakeVocabulary.Id("ac")] : null,
            LogitBias = new Dictionary<int, double> { [FakeVocabulary.Unknown] = seed % 7 == 0 ? 1 : -100, [bias] = 1.5 },
            Reasoning = seed % 3 == 0 ? new ReasoningBudget(seed % 5, bias, (bias + 1) % FakeVocabulary.Unknown, [], IsOpen: seed % 2 == 0) : null,
            N = temperature == 0 ? 1 : n,
        };

    [Fact]
    public void Every_event_is_the_same()
    {
        long accepted = 0, rejected = 0, stopped = 0, failed = 0;
        Gen.Select(AnyParameters.Array[1, 8], Gen.Int[1, 6], Gen.Int[1, 5], Gen.Int[1, 30], Gen.OneOf(Gen.Const(0.6), Gen.Const(0.9), Gen.Const(1.0)))
            .Sample((requests, drafts, sequences, window, quality) =>
        {
            string[][] plain = Run(new TestSizes { Window = window }, requests, drafter: null).Events;
            TestSizes sizes = new() { Window = window, Sequences = sequences, StepTokens = sequences + 20, LogitRows = sequences + 4 * drafts, CachedTexts = 2 };
            int[][] outputs = [.. plain.Select(events => (int[])[.. events.Select(e => int.Parse(e.Split(' ')[0], null)).Where(id => id >= 0)])];
            using OracleDrafter drafter = new((handle, choice) => outputs[int.Parse(handle.Request.Id, null) + choice], drafts, quality);
            (string[][] drafted, SpeculationStatistics statistics) = Run(sizes, requests, drafter);
            Assert.Equal(plain, drafted);
            Interlocked.Add(ref accepted, statistics.NumAcceptedTokens);
            Interlocked.Add(ref rejected, statistics.NumDraftTokens - statistics.NumAcceptedTokens);
            Interlocked.Add(ref stopped, plain.Count(events => events[^1].Contains(" Stop ", StringComparison.Ordinal)));
            Interlocked.Add(ref failed, plain.Count(events => events[^1].Contains(" Error ", StringComparison.Ordinal)));
        }, iter: 500);
        Assert.True(accepted > 10_000 && rejected > 2_000, $"{accepted} tokens accepted, {rejected} rejected");
        Assert.True(stopped > 500 && failed > 20, $"{stopped} texts stopped, {failed} failed");
    }

    [Fact]
    public void A_drafter_that_fails_ends_the_texts_it_was_to_draft_for()
    {
        using Failing drafter = new();
        using TestEngine engine = new(new TestSizes { Sequences = 2 }, drafter: drafter);
        List<TokenEvent>[] events = [.. Enumerable.Range(0, 4).Select(i => engine.Add(TestEngine.Request([1, 2, 3, i], 5)).Events)];
        engine.RunToEnd();
        Assert.Equal(2, events.Count(e => e[^1].Completion!.Error is GenerationException { Message: "the drafter failed: a launch failed" }));
        Assert.Equal(2, events.Count(e => e.Count == 5 && e[^1].Completion!.Reason == FinishReason.Length));
        engine.AssertIdle();
    }

    [Fact]
    public void A_cache_that_keeps_rejected_tokens_is_found_out()
    {
        using NothingRejected drafter = new();
        SamplingParameters[] requests = [new() { Temperature = 0, MaxTokens = 20 }];
        Assert.ThrowsAny<Exception>(() => Assert.Equal(Run(new TestSizes(), requests, null).Events, Run(new TestSizes(), requests, drafter).Events));
    }

    [Fact]
    public void Drafts_are_proposed_only_as_far_as_the_text_can_go()
    {
        foreach (int maxTokens in (int[])[1, 2, 3, 7])
        {
            using CpuKernels kernels = new(threads: 1);
            using NgramDrafter drafter = new(kernels, maxTokens: 6, shortest: 2, longest: 4);
            using TestEngine engine = new(new TestSizes { LogitRows = 12 }, drafter: drafter);
            List<TokenEvent> events = engine.Add(TestEngine.Request([.. Enumerable.Repeat(1, 20)], maxTokens, new SamplingParameters { AllowedTokenIds = [1] })).Events;
            engine.RunToEnd();
            Assert.Equal(maxTokens, events.Count);
            Assert.Equal(Math.Max(0, maxTokens - 2), engine.Counters.Speculation.Snapshot().NumDraftTokens); // the first comes from the prompt, the last needs no place
            engine.AssertIdle();
        }
    }

    [Theory]
    [InlineData(0, 30)]
    [InlineData(1, 55)]
    public void A_text_that_repeats_itself_takes_fewer_steps_than_tokens(double temperature, int mostSteps)
    {
        SamplingParameters parameters = new() { Temperature = temperature, Seed = 3, MaxTokens = 60, IgnoreEos = true, Logprobs = 2 };
        (TokenEvent[] plain, EngineStatistics before) = Generate(parameters, speculative: null);
        (TokenEvent[] drafted, EngineStatistics after) = Generate(parameters, new NgramConfig(4, 2, 4));
        Assert.Equal(plain.Select(Describe), drafted.Select(Describe));
        Assert.Equal(60, before.Steps);
        Assert.Equal(60 - after.Speculation.NumAcceptedTokens, after.Steps);
        Assert.InRange(after.Steps, 12, mostSteps);
    }

    /// <summary>Kernels for one token and for several give the same bits in each format.</summary>
    [Theory]
    [InlineData(Arithmetic.Exact, "q4_0"), InlineData(Arithmetic.Fast, "q4_0"), InlineData(Arithmetic.Fast, "q8_0"), InlineData(Arithmetic.Fast, "q4_1"), InlineData(Arithmetic.Fast, "bf16")]
    public void In_every_arithmetic(Arithmetic arithmetic, string format)
        => AssertSame(() => SyntheticModelFiles.Create("gemma4-26b-a4b:layers=1,experts=8,vocab=6144", format), arithmetic, type: null, promptLength: 16);

    /// <summary>Attention over more positions than it takes in one piece.</summary>
    [Theory]
    [InlineData(Arithmetic.Exact, KeyValueType.F32), InlineData(Arithmetic.Fast, KeyValueType.BF16), InlineData(Arithmetic.Fast, KeyValueType.Q8_0)]
    public void In_long_contexts(Arithmetic arithmetic, KeyValueType type) => AssertSame(() => ModelFiles.Open(Goldens.TinyModel), arithmetic, type, promptLength: 1100);

    private static void AssertSame(Func<ModelFiles> files, Arithmetic arithmetic, KeyValueType? type, int promptLength)
    {
        using CpuKernels kernels = new(new CpuOptions { Arithmetic = arithmetic, Threads = 2 });
        SamplingParameters parameters = new() { Temperature = 0, MaxTokens = 16, IgnoreEos = true, Logprobs = 1, AllowedTokenIds = [5, 6, 7] };
        int[] prompt = [2, .. Enumerable.Range(0, promptLength).Select(i => 10 + i * i % 97), 5, 6, 7, 5, 6, 7, 5];
        (string[] plain, _) = Run(null);
        (string[] drafted, SpeculationStatistics statistics) = Run(new NgramConfig(4, 1, 3));
        Assert.Equal(plain, drafted);
        Assert.True(statistics.NumAcceptedTokens > 3, $"{statistics.NumAcceptedTokens} tokens accepted");

        (string[], SpeculationStatistics) Run(SpeculativeConfig? speculative)
        {
            using LanguageModel model = LanguageModel.Open(files(), kernels, new LanguageModelOptions { ContextLength = promptLength + 50, Speculative = speculative, KeyValueType = type });
            TextGenerator generator = new(model);
            return ([.. generator.Generate(prompt, parameters).Select(Describe)], generator.Statistics.Speculation);
        }
    }

    /// <summary>A sentence, which goes on with no words but its own.</summary>
    private static (TokenEvent[] Events, EngineStatistics Statistics) Generate(SamplingParameters parameters, SpeculativeConfig? speculative)
    {
        using CpuKernels kernels = new();
        using LanguageModel model = LanguageModel.Open(Goldens.TinyModel, kernels, new LanguageModelOptions { Speculative = speculative });
        TextGenerator generator = new(model);
        int[] prompt = model.Tokenizer.Encode("The cat sat on the mat. The cat sat on the mat.");
        TokenEvent[] events = [.. generator.Generate(prompt, parameters with { AllowedTokenIds = prompt[1..] })];
        return (events, generator.Statistics);
    }

    /// <summary>The events of each choice, choice by choice.</summary>
    private static (string[][] Events, SpeculationStatistics Statistics) Run(TestSizes sizes, SamplingParameters[] requests, IDrafter? drafter)
    {
        using TestEngine engine = new(sizes, tokenizer: FakeVocabulary.Tokenizer, drafter: drafter);
        List<(List<TokenEvent> Events, int N)> live = [];
        for (int i = 0; i < requests.Length; i++)
        {
            int[] prompt = [.. Enumerable.Range(0, 5 + 7 * i).Select(p => p * (1 + i % 3) % 10)];
            live.Add((engine.Add(TestEngine.Request(prompt, requests[i].MaxTokens!.Value, requests[i]) with { Id = $"{live.Sum(l => l.N)}" }).Events, requests[i].N));
        }
        engine.RunToEnd();
        engine.AssertIdle();
        string[][] events = [.. live.SelectMany(l => Enumerable.Range(0, l.N).Select(choice => (string[])[.. l.Events.Where(e => e.Choice == choice).Select(Describe)]))];
        return (events, engine.Counters.Speculation.Snapshot());
    }

    private static string Describe(TokenEvent e)
    {
        string logprobs = e.Logprobs is null ? "-" : string.Join(',', e.Logprobs.Top.Prepend(e.Logprobs.Chosen).Select(l => $"{l.TokenId}:{BitConverter.SingleToUInt32Bits(l.Logprob):x}:{l.Rank}"));
        string end = e.Completion is { } c ? $" {c.Reason} {c.StopText} {c.StopTokenId} {c.Usage.PromptTokens} {c.Usage.CompletionTokens} {c.Error?.Message}" : "";
        return $"{e.TokenId} \"{e.Text}\" {logprobs}{end}";
    }

    /// <summary>Fails the first time.</summary>
    private sealed class Failing : IDrafter
    {
        private int calls;

        public void Draft(IReadOnlyList<Sequence> growing, IBuffer hidden)
        {
            if (calls++ == 0) throw new InvalidOperationException("a launch failed");
        }

        public void Dispose()
        {
            // holds nothing
        }
    }

    /// <summary>A fault: the sequence goes on with a token that nobody chose.</summary>
    private sealed class NothingRejected : IDrafter
    {
        public void Draft(IReadOnlyList<Sequence> growing, IBuffer hidden)
        {
            foreach (Sequence sequence in growing)
            {
                sequence.Cache.Reserve(1);
                sequence.Cache.Advance([(sequence.Tokens[^1] + 1) % FakeModel.Vocab]);
            }
        }

        public void Dispose()
        {
            // holds nothing
        }
    }
}
