using Lapidary.Cpu;
using Lapidary.KvCache;
using Lapidary.Models;
using Lapidary.Sampling;
using Lapidary.Scheduling;
using Lapidary.Speculation;

namespace Lapidary.Tests.Scheduling;

/// <summary>
/// On the real model: tokens and log-probabilities of a request are the same to the last bit whatever runs beside it,
/// however its prompt is cut, whether it is preempted, whether its prompt is found in the cache and whether drafts are checked.
/// </summary>
public sealed class BatchInvarianceTests
{
    private const int Context = 200;

    private sealed record Request(int Arrival, InferenceRequest Inference);

    private sealed record Outcome(string Tokens, string Logprobs, string PromptLogprobs);

    [Fact]
    public void A_request_gets_the_same_bits_alone_and_in_every_mix()
    {
        using CpuKernels kernels = new();
        Request[] requests = Requests(14);
        Outcome[] alone = [.. requests.Select(r => Run(kernels, new EngineOptions { MaxNumSeqs = 1, PrefixCaching = PrefixCaching.Off }, 1, [r with { Arrival = 0 }]).Outcomes[0])];
        Assert.Equal(alone.Length, alone.Distinct().Count()); // the comparison can tell

        long preemptions = 0, hits = 0, accepted = 0, rejected = 0;
        for (int mix = 0; mix < 4; mix++)
        {
            Random random = new(mix);
            EngineOptions options = new() { MaxNumSeqs = random.Next(3, 9), MaxNumBatchedTokens = random.Next(10, 90) };
            Request[] arriving = [.. requests.Select(r => r with { Arrival = random.Next(0, 30) })];
            (Outcome[] outcomes, EngineStatistics statistics) = Run(kernels, options, cachedTexts: 1.5, arriving, mix == 0 ? null : new NgramConfig(1 + mix, 1, 3));
            Assert.Equal(alone, outcomes);
            preemptions += statistics.Preemptions;
            hits += statistics.PrefixCacheHits;
            accepted += statistics.Speculation.NumAcceptedTokens;
            rejected += statistics.Speculation.NumDraftTokens - statistics.Speculation.NumAcceptedTokens;
        }
        Assert.True(preemptions > 0 && hits > 0, $"{preemptions} preemptions, {hits} cached tokens");
        Assert.True(accepted > 50 && rejected > 50, $"{accepted} tokens of drafts accepted, {rejected} rejected");
    }

    [Fact]
    public void Kernels_that_look_at_the_size_of_the_batch_are_found_out()
    {
        using CpuKernels cpu = new();
        using ForwardingKernels kernels = new RowCountingKernels(cpu);
        Request[] requests = Requests(3);
        Outcome[] alone = [.. requests.Select(r => Run(kernels, new EngineOptions { MaxNumSeqs = 1 }, 1, [r]).Outcomes[0])];
        Assert.NotEqual(alone, Run(kernels, new EngineOptions { MaxNumSeqs = 3, MaxNumBatchedTokens = 60 }, 3, requests).Outcomes);
        Assert.NotEqual(alone, [.. requests.Select(r => Run(kernels, new EngineOptions { MaxNumSeqs = 1 }, 1, [r], new NgramConfig(4, 1, 3)).Outcomes[0])]);
    }

    private static Request[] Requests(int count)
    {
        Random random = new(5);
        int[] shared = [.. Enumerable.Range(0, 70).Select(_ => random.Next(300, 6000))];
        return [.. Enumerable.Range(0, count).Select(i => new Request(0, new InferenceRequest
        {
            Id = $"{i}",
            PromptIds = [2, .. shared.Take(random.Next(0, 70)), .. Enumerable.Range(0, random.Next(1, 60)).Select(_ => random.Next(300, 6000))],
            Priority = i % 5 == 0 ? -1 : 0,
            Sampling = new SamplingParameters
            {
                Temperature = i % 3 == 0 ? 0 : 1,
                TopK = i % 4 == 0 ? 40 : 0,
                TopP = i % 4 == 1 ? 0.9 : 1,
                RepetitionPenalty = i % 5 == 1 ? 1.2 : 1,
                Seed = i,
                MaxTokens = random.Next(10, 50),
                IgnoreEos = true,
                Logprobs = 3,
                PromptLogprobs = i % 6 == 0 ? 2 : null,
            },
        }))];
    }

    private static (Outcome[] Outcomes, EngineStatistics Statistics) Run(IKernels kernels, EngineOptions options, double cachedTexts, Request[] requests, SpeculativeConfig? speculative = null)
    {
        Gemma4Config config = Gemma4ConfigReader.Load(Goldens.TinyModel);
        long bytes = (long)(cachedTexts * CacheSize.ForSequences(config, KeyValueType.F32, Context, options.MaxNumBatchedTokens, 1).Bytes(config));
        using LanguageModel model = LanguageModel.Open(
            Goldens.TinyModel, kernels, (options with { KvCacheMemory = bytes }).Sized(new LanguageModelOptions { ContextLength = Context, Speculative = speculative }));
        EngineCounters counters = new();
        StepLimits limits = new(options.MaxNumSeqs, model.Batch.MaxTokens, model.Network.MaxLogitRows);
        EngineCore core = new(kernels, model.Network, model.Cache, model.Batch, limits, options.PrefixCaching, counters, model.Drafter);
        SequenceFactory sequences = new(model.Cache, model.Config.VocabSize, model.Adapters, model.Tokenizer, model.EosTokenIds, options.PrefixCaching, TimeProvider.System);

        RequestHandle[] handles = [.. requests.Select(r => new RequestHandle(r.Inference, 1000))];
        for (int step = 0; step < 31 || core.HasWork; step++)
        {
            for (int i = 0; i < requests.Length; i++)
            {
                if (requests[i].Arrival != step) continue;
                foreach (Sequence sequence in sequences.Make(handles[i])) core.Add(sequence);
            }
            core.Step();
        }
        return ([.. handles.Select(Outcomes)], counters.Snapshot(EngineHealth.Ready));
    }

    private static Outcome Outcomes(RequestHandle handle)
    {
        List<TokenEvent> events = [];
        while (handle.Events.TryRead(out TokenEvent next)) events.Add(next);
        Assert.Equal(handle.Request.Sampling.MaxTokens, events.Count);
        return new(
            string.Join(' ', events.Select(e => e.TokenId)),
            string.Join(' ', events.Select(e => Bits(e.Logprobs))),
            string.Join(' ', (handle.PromptLogprobs ?? []).Select(Bits)));
    }

    private static string Bits(TokenLogprobs? logprobs)
        => logprobs is null ? "-" : string.Join(',', logprobs.Top.Prepend(logprobs.Chosen).Select(l => $"{l.TokenId}:{BitConverter.SingleToUInt32Bits(l.Logprob):x}:{l.Rank}"));

    /// <summary>A fault: logits differ in the last bits with the number of rows.</summary>
    private sealed class RowCountingKernels(IKernels inner) : ForwardingKernels(inner)
    {
        public override void Softcap(IBuffer x, float cap)
        {
            Inner.Scale(x, 1 + 1e-6f * (x.Rows - 1));
            Inner.Softcap(x, cap);
        }
    }
}
