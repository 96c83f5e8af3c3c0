using Lapidary.Cpu;
using Lapidary.KvCache;
using Lapidary.Models;
using Lapidary.Sampling;
using Lapidary.Scheduling;
using Lapidary.Speculation;

namespace Lapidary.Tests.Speculation;

/// <summary>With a drafter of random weights, texts of the real model are the same to the last bit of their log-probabilities.</summary>
public sealed class MtpDrafterTests
{
    private static readonly int[] Loud = [20, 33, 47, 101, 150, 201];

    [Theory]
    [InlineData("moe_keqv_bf16", false), InlineData("everything", true)]
    public void Texts_are_the_same_as_without_drafts(string target, bool centroids)
    {
        using CpuKernels kernels = new();
        using DrafterFolder folder = new(Gemma4ConfigReader.Load(Goldens.Case(target)), centroids, seed: 3, Loud);
        (string[] plain, EngineStatistics before) = Run(kernels, target, speculative: null, sequences: 4);
        Assert.Equal(plain.Length, plain.Distinct().Count());
        foreach ((int tokens, int sequences) in ((int, int)[])[(1, 4), (3, 1), (4, 3)])
        {
            (string[] drafted, EngineStatistics after) = Run(kernels, target, new MtpConfig(tokens, folder.Path), sequences);
            Assert.Equal(plain, drafted);
            Assert.Equal(before.GenerationTokens, after.GenerationTokens);
            Assert.InRange(after.Speculation.NumAcceptedTokens, 5, after.Speculation.NumDraftTokens - 20);
            Assert.True(after.Speculation.NumAcceptedTokensPerPosition.Skip(tokens).All(accepted => accepted == 0));
        }
    }

    /// <summary>What it proposes does not depend on what runs beside a text, or how long the step was that gave it its hidden state.</summary>
    [Fact]
    public void Drafts_do_not_depend_on_the_batch()
    {
        using CpuKernels kernels = new();
        using DrafterFolder folder = new(Gemma4ConfigReader.Load(Goldens.Case("moe_keqv_bf16")), centroids: false, seed: 3, Loud);
        MtpConfig config = new(2, folder.Path);
        long[] alone = [.. Enumerable.Range(0, 8).Select(i => Run(kernels, "moe_keqv_bf16", config, 1, i..(i + 1)).Statistics.Speculation.NumAcceptedTokens)];
        Assert.Equal(alone.Sum(), Run(kernels, "moe_keqv_bf16", config, 3, cachedTexts: 8).Statistics.Speculation.NumAcceptedTokens);
    }

    /// <summary>After rejected drafts, freed windows and in company a text is drafted for as if it had just been computed whole and alone.</summary>
    [Theory]
    [InlineData(0, true), InlineData(1, false)] // the hidden state of another token is noticed
    public void What_is_proposed_is_what_a_fresh_start_proposes(int tokensTooFew, bool same)
    {
        using CpuKernels kernels = new();
        using DrafterFolder folder = new(Gemma4ConfigReader.Load(Goldens.Case("moe_keqv_bf16")), centroids: false, seed: 3, Loud);
        Recording? recording = null;
        (_, EngineStatistics statistics) = Run(kernels, "moe_keqv_bf16", new MtpConfig(3, folder.Path), 4, wrap: drafter => recording = new Recording(drafter));
        Assert.True(statistics.Speculation.NumAcceptedTokens > 5);

        using LanguageModel model = LanguageModel.Open(Goldens.Case("moe_keqv_bf16"), kernels, new LanguageModelOptions { ContextLength = 100 });
        using Gemma4Assistant assistant = Gemma4Assistant.Load(folder.Path, model.Network, kernels, maxQueries: 1);
        using ForwardBatch query = new(kernels, model.Cache, 1, 1);
        using IBuffer first = kernels.Allocate(DType.I32, 1, 1);
        kernels.Write(first, [0]);
        int differing = 0;
        foreach ((int[] text, int[] proposed) in recording!.Proposals.Where((_, i) => i % 5 == 0))
        {
            using CacheSequence sequence = model.Cache.NewSequence();
            model.Batch.Clear();
            model.Batch.Add(sequence, text.AsSpan(0, text.Length - 1 - tokensTooFew), LogitRows.Last);
            model.Network.Forward(model.Batch, model.Cache);
            assistant.Carried.Rows = 1;
            kernels.GatherRows(model.Network.LastHidden, first, assistant.Carried);
            query.Clear();
            query.AddQuery(sequence, text[^1]);
            List<int> fresh = [];
            while (fresh.Count < proposed.Length)
            {
                fresh.Add(assistant.Forward(query, model.Cache)[0]);
                query.Replace([fresh[^1]]);
            }
            if (!proposed.SequenceEqual(fresh)) differing++;
        }
        Assert.True(same ? differing == 0 : differing > 5, $"{differing} drafts differ");
    }

    private sealed class Recording(IDrafter drafter) : IDrafter
    {
        public List<(int[] Text, int[] Proposed)> Proposals { get; } = [];

        public void Draft(IReadOnlyList<Sequence> growing, IBuffer hidden)
        {
            drafter.Draft(growing, hidden);
            foreach (Sequence sequence in growing) Proposals.Add((sequence.Tokens.ToArray(), sequence.Draft.ToArray()));
        }

        public void Dispose()
        {
            // the model owns the drafter
        }
    }

    private static (string[] Outcomes, EngineStatistics Statistics) Run(
        IKernels kernels, string target, SpeculativeConfig? speculative, int sequences, Range? only = null, double cachedTexts = 3, Func<IDrafter, IDrafter>? wrap = null)
    {
        const int Context = 100;
        EngineOptions options = new() { MaxNumSeqs = sequences, MaxNumBatchedTokens = 40 };
        CacheSize one = CacheSize.ForSequences(Gemma4ConfigReader.Load(Goldens.Case(target)), kernels.DefaultKeyValueType, Context, 40, 1);
        long bytes = (long)(cachedTexts * one.Bytes(Gemma4ConfigReader.Load(Goldens.Case(target))));
        using LanguageModel model = LanguageModel.Open(
            Goldens.Case(target), kernels, (options with { KvCacheMemory = bytes }).Sized(new LanguageModelOptions { ContextLength = Context, Speculative = speculative }));
        EngineCounters counters = new();
        StepLimits limits = new(sequences, model.Batch.MaxTokens, model.Network.MaxLogitRows);
        EngineCore core = new(kernels, model.Network, model.Cache, model.Batch, limits, PrefixCaching.On, counters, wrap is null ? model.Drafter : wrap(model.Drafter!));
        SequenceFactory factory = new(model.Cache, model.Config.VocabSize, model.Adapters, null, [], PrefixCaching.On, TimeProvider.System);
        RequestHandle[] handles = [.. Requests()[only ?? Range.All].Select(request => new RequestHandle(request, 1000))];
        foreach (RequestHandle handle in handles)
            foreach (Sequence sequence in factory.Make(handle)) core.Add(sequence);
        for (int step = 0; core.Step(); step++) Assert.True(step < 10_000, "the engine does not come to an end");
        Assert.All(model.Cache.Groups, group => Assert.Equal(group.Pool.Blocks, group.Pool.Free));
        return ([.. handles.Select(Describe)], counters.Snapshot(EngineHealth.Ready));
    }

    /// <summary>Few tokens are allowed, those that the drafter likes, so that it is right now and then.</summary>
    private static InferenceRequest[] Requests()
    {
        Random random = new(2);
        return [.. Enumerable.Range(0, 8).Select(i => new InferenceRequest
        {
            Id = $"{i}",
            PromptIds = [2, .. Enumerable.Range(0, random.Next(1, 60)).Select(_ => random.Next(10, 256))],
            Sampling = new SamplingParameters
            {
                Temperature = i % 2,
                Seed = i,
                MaxTokens = random.Next(15, 38),
                RepetitionPenalty = i % 3 == 0 ? 1.1 : 1,
                AllowedTokenIds = Loud,
                Logprobs = 2,
            },
        })];
    }

    private static string Describe(RequestHandle handle)
    {
        List<string> tokens = [];
        while (handle.Events.TryRead(out TokenEvent e))
            tokens.Add($"{e.TokenId} {string.Join(',', e.Logprobs!.Top.Prepend(e.Logprobs.Chosen).Select(l => $"{l.TokenId}:{BitConverter.SingleToUInt32Bits(l.Logprob):x}"))} {e.Completion?.Reason}");
        return string.Join('\n', tokens);
    }
}
