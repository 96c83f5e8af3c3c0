using System.Diagnostics;
using System.Globalization;
using Lapidary.Generation;
using Lapidary.Models;
using Lapidary.Sampling;
using Lapidary.Scheduling;
using Lapidary.Speculation;

namespace Lapidary.Cli;

/// <summary>One generated text: the pieces as they come, and what is known of it afterwards.</summary>
internal sealed class TextStream(LanguageModel model, TextGenerator generator)
{
    private readonly List<int> ids = [];

    public IReadOnlyList<int> OutputIds => ids;
    public string Text { get; private set; } = "";
    public FinishReason FinishReason { get; private set; }
    public TimeSpan FirstToken { get; private set; }
    public TimeSpan Total { get; private set; }

    /// <summary>What became of drafts; null where none are made.</summary>
    public SpeculationStatistics? Speculation { get; private set; }

    /// <param name="adapter">Name of a loaded adapter; null for the model itself.</param>
    /// <param name="write">Given each piece of text when it is certain; not called without a tokenizer.</param>
    public void Run(int[] prompt, SamplingParameters parameters, string? adapter, Action<string> write, CancellationToken cancel)
    {
        SpeculationStatistics before = generator.Statistics.Speculation;
        Stopwatch watch = Stopwatch.StartNew();
        foreach (TokenEvent token in generator.Generate(prompt, parameters, adapter, cancel))
        {
            if (ids.Count == 0) FirstToken = watch.Elapsed;
            ids.Add(token.TokenId);
            if (token.Completion is { } completion) FinishReason = completion.Reason;
            if (token.Text.Length == 0) continue;
            Text += token.Text;
            write(token.Text);
        }
        Total = watch.Elapsed;
        if (model.Speculative is not null) Speculation = generator.Statistics.Speculation.Since(before);
    }

    /// <summary>The timing line.</summary>
    public string Timing(int promptTokens)
    {
        double decode = (Total - FirstToken).TotalSeconds, rate = ids.Count > 1 && decode > 0 ? (ids.Count - 1) / decode : 0;
        return string.Create(CultureInfo.InvariantCulture,
            $"{promptTokens} prompt tokens in {FirstToken.TotalMilliseconds:0} ms, {ids.Count} tokens at {rate:0} tokens/s, seed {generator.Seed}, {FinishReason.ToString().ToLowerInvariant()}{(Speculation is { } drafts ? $"; {drafts.NumAcceptedTokens} of {drafts.NumDraftTokens} draft tokens accepted" : "")}{(model.Network.Experts is { } experts ? $"; {experts}" : "")}{(model.Config.Quantization is { } quantization ? $"; {quantization}" : "")}");
    }
}
