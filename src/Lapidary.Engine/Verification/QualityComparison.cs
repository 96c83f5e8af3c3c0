using Lapidary.Models;

namespace Lapidary.Verification;

/// <summary>
/// Compares two configurations of one model on a text: both compute the same tokens in lockstep, and each position's logits
/// are reduced to a few numbers before the next step, so memory does not grow with text times vocabulary.
/// </summary>
public static class QualityComparison
{
    private const int MaxPromptTokens = 32;

    /// <param name="greedyTokens">Most tokens of the greedy continuations.</param>
    /// <param name="progress">Told (tokens computed, tokens in all).</param>
    /// <exception cref="RequestException">The two are not configurations of one model, or logits are not finite.</exception>
    public static QualityReport Run(
        MeasuredModel baseline, MeasuredModel against, EvaluationText text, int greedyTokens, Action<int, int>? progress = null,
        CancellationToken cancel = default)
    {
        LanguageModel a = baseline.Model, b = against.Model;
        RequireOneModel(a, b);
        List<TokenDivergence> tokens = new(text.Scored);
        LayerErrors errors = new(a.Config);
        RoutingStatistics? routing = Statistics(a), againstRouting = Statistics(b);
        using (TeacherForcing first = new(a, LogitRows.All, baseline.AdapterSlot), second = new(b, LogitRows.All, against.AdapterSlot))
        {
            int step = Math.Min(first.StepTokens, second.StepTokens), done = 0, windowStart = 0;
            foreach (int[] window in text.Windows)
            {
                first.Begin();
                second.Begin();
                for (int start = 0; start < window.Length; start += step)
                {
                    cancel.ThrowIfCancellationRequested();
                    ReadOnlySpan<int> part = window.AsSpan(start, Math.Min(step, window.Length - start));
                    first.Step(part);
                    second.Step(part);
                    for (int row = 0; row < part.Length; row++)
                    {
                        int next = start + row + 1; // what this row predicts
                        if (next < window.Length)
                            tokens.Add(TokenDivergence.Of(first.Logits(row), second.Logits(row), windowStart + next - text.PrefixLength, window[next]));
                        if (next <= text.PrefixLength) continue; // the prefix's own row: no token of the text
                        errors.Add(first, second, row);
                        routing?.Add(first, row);
                        againstRouting?.Add(second, row);
                    }
                    progress?.Invoke(done += part.Length, text.Computed);
                }
                windowStart += window.Length - text.PrefixLength;
            }
        }
        RoutingPair? pair = routing is null ? null : new RoutingPair(routing.Summarise(), againstRouting!.Summarise());
        return Report(baseline, against, text, tokens, Greedy(baseline, against, text, greedyTokens, cancel), errors.Summarise(), pair);
    }

    private static RoutingStatistics? Statistics(LanguageModel model)
        => model.Config.Experts is { } experts ? new RoutingStatistics(experts, model.Config.Layers.Count) : null;

    private static QualityReport Report(
        MeasuredModel baseline, MeasuredModel against, EvaluationText text, List<TokenDivergence> tokens, GreedyComparison greedy,
        IReadOnlyList<LayerError> layers, RoutingPair? routing)
    {
        double mean = tokens.Sum(t => t.AgainstNll - t.BaseNll) / tokens.Count;
        double squares = tokens.Sum(t => Math.Pow(t.AgainstNll - t.BaseNll - mean, 2));
        return new QualityReport(
            Side(baseline, tokens, t => t.BaseNll, t => t.BaseTop), Side(against, tokens, t => t.AgainstNll, t => t.AgainstTop),
            text.Ids.Count, text.Windows.Count, mean, tokens.Count > 1 ? Math.Sqrt(squares / (tokens.Count - 1) / tokens.Count) : null,
            Distribution.Of(tokens.Select(t => t.Kl)), (double)tokens.Count(t => t.Flipped) / tokens.Count,
            [.. tokens.Where(t => t.Flipped).Select(t => new Flip(t.Position, t.BaseTop, t.AgainstTop, t.Kl))], greedy, layers, routing, tokens);
    }

    private static QualitySide Side(MeasuredModel side, List<TokenDivergence> tokens, Func<TokenDivergence, double> nll, Func<TokenDivergence, int> top)
    {
        double mean = tokens.Sum(nll) / tokens.Count;
        return new QualitySide(
            side.Variant.ToString(), side.Model.Location, side.Model.Config.Quantization?.Summary, side.Model.Config.HiddenActivation.Name, side.Model.Network.Experts?.Chosen.Name,
            side.Model.Kernels.Description, Math.Exp(mean), mean, (double)tokens.Count(t => top(t) == t.TokenId) / tokens.Count);
    }

    /// <summary>Both continue the start of the text, each on its own.</summary>
    private static GreedyComparison Greedy(MeasuredModel baseline, MeasuredModel against, EvaluationText text, int most, CancellationToken cancel)
    {
        int[] window = text.Windows[0];
        int[] prompt = window[..Math.Clamp(window.Length / 2, 1, MaxPromptTokens)];
        int[] first = Continue(baseline, prompt, most, cancel), second = Continue(against, prompt, most, cancel);
        int common = first.AsSpan().CommonPrefixLength(second);
        return new GreedyComparison(prompt.Length, common == first.Length && common == second.Length ? null : common, first, second);
    }

    /// <summary>The most likely token, again and again, up to one that ends a text or the end of the context.</summary>
    private static int[] Continue(MeasuredModel side, int[] prompt, int most, CancellationToken cancel)
    {
        LanguageModel model = side.Model;
        using TeacherForcing forced = new(model, LogitRows.All, side.AdapterSlot);
        List<int> output = [];
        forced.Begin();
        for (int start = 0; start < prompt.Length; start += forced.StepTokens)
            forced.Step(prompt.AsSpan(start, Math.Min(forced.StepTokens, prompt.Length - start)));
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            output.Add(Parity.ArgMax(forced.Logits(forced.Tokens - 1)));
            if (output.Count == most || model.EosTokenIds.Contains(output[^1]) || prompt.Length + output.Count >= model.ContextLength) return [.. output];
            forced.Step([output[^1]]);
        }
    }

    private static void RequireOneModel(LanguageModel a, LanguageModel b)
    {
        Same("vocab_size", a.Config.VocabSize, b.Config.VocabSize);
        Same("hidden_size", a.Config.HiddenSize, b.Config.HiddenSize);
        Same("num_hidden_layers", a.Config.Layers.Count, b.Config.Layers.Count);
        Same("num_experts", a.Config.Experts?.NumExperts ?? 0, b.Config.Experts?.NumExperts ?? 0);
        Same("top_k_experts", a.Config.Experts?.TopKExperts ?? 0, b.Config.Experts?.TopKExperts ?? 0);

        void Same(string what, int x, int y)
        {
            if (x != y)
                throw new RequestException(
                    $"these are not two configurations of one model: {what} is {x} in {a.Location} and {y} in {b.Location}");
        }
    }
}
