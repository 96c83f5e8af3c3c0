using System.Diagnostics;
using Lapidary.Models;
using Lapidary.Sampling;
using Lapidary.Scheduling;
using Lapidary.Speculation;

namespace Lapidary.Cli.Bench;

/// <summary>Decode with drafts beside decode without: greedy texts after prompts that repeat a passage, through the whole engine. Speeds are medians.</summary>
/// <param name="Method">As asked for.</param>
/// <param name="DecodeTokensPerSecond">From the moment all texts have their first token.</param>
/// <param name="PlainTokensPerSecond">The same texts without drafts.</param>
/// <param name="TokensPerDraft">What a step with a draft brings, the token that is chosen anyway included.</param>
internal sealed record DraftedBench(
    string Method, double DecodeTokensPerSecond, double PlainTokensPerSecond, double AcceptanceRate, double TokensPerDraft, SpeculationStatistics Statistics)
{
    private const int PassageLength = 48;

    /// <param name="model">Opened for drafts, and with room for the prompts and what follows.</param>
    public static DraftedBench Measure(LanguageModel model, BenchPlan plan, string method)
    {
        (double plain, _) = Measure(model, plan, Drafting.Off);
        (double drafted, SpeculationStatistics drafts) = Measure(model, plan, Drafting.On);
        return new DraftedBench(method, drafted, plain, drafts.AcceptanceRate, 1 + drafts.NumAcceptedTokens / (double)Math.Max(1, drafts.NumDrafts), drafts);
    }

    private static (double Speed, SpeculationStatistics Drafts) Measure(LanguageModel model, BenchPlan plan, Drafting drafting)
    {
        using EngineLoop engine = new(model, new EngineOptions
        {
            MaxNumSeqs = plan.Batch,
            MaxNumBatchedTokens = Math.Max(model.Batch.MaxTokens, plan.Batch + 1),
            PrefixCaching = PrefixCaching.Off,
            Drafting = drafting,
        });
        double[] speeds = new double[plan.Repetitions];
        for (int i = -1; i < speeds.Length; i++) // the first is a warm-up
        {
            double speed = Decode(engine, model.Config.VocabSize, plan);
            if (i >= 0) speeds[i] = speed;
        }
        return (BenchRun.Median(speeds), engine.Statistics.Speculation);
    }

    private static double Decode(EngineLoop engine, int vocabSize, BenchPlan plan)
    {
        Task<List<long>>[] texts = [.. Enumerable.Range(0, plan.Batch).Select(text => Times(engine.Submit(Request(text, vocabSize, plan))))];
        List<long>[] times = Task.WhenAll(texts).GetAwaiter().GetResult();
        long begin = times.Max(t => t[0]), end = times.Max(t => t[^1]);
        return times.Sum(t => t.Count(time => time > begin)) / Stopwatch.GetElapsedTime(begin, end).TotalSeconds;
    }

    private static InferenceRequest Request(int text, int vocabSize, BenchPlan plan)
    {
        Random random = new(text);
        int[] passage = [.. Enumerable.Range(0, PassageLength).Select(_ => random.Next(vocabSize))];
        return new InferenceRequest
        {
            Id = $"bench {text}",
            PromptIds = [.. Enumerable.Range(0, plan.Prompt).Select(i => passage[i % PassageLength])],
            Sampling = new SamplingParameters { Temperature = 0, MaxTokens = plan.Generate, IgnoreEos = true },
        };
    }

    /// <summary>When each token of a text came.</summary>
    private static async Task<List<long>> Times(RequestHandle handle)
    {
        List<long> times = [];
        await foreach (TokenEvent token in handle.Events.ReadAllAsync())
        {
            if (token.Completion?.Error is { } error) throw error;
            times.Add(Stopwatch.GetTimestamp());
        }
        return times;
    }
}
