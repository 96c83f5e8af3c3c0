using Lapidary.Models;

namespace Lapidary.Verification;

/// <summary>How a model's routers use its experts on a text.</summary>
public sealed record RoutingReport(
    string Model, string ExpertBackend, int NumExperts, int TopKExperts, int TextTokens, IReadOnlyList<LayerRouting> Layers);

/// <summary>Runs a text through a model and watches its routers.</summary>
public static class RoutingSurvey
{
    /// <param name="progress">Told (tokens computed, tokens in all).</param>
    /// <exception cref="RequestException">The model has no experts.</exception>
    public static RoutingReport Run(LanguageModel model, EvaluationText text, Action<int, int>? progress = null, CancellationToken cancel = default)
    {
        if (model.Config.Experts is not { } experts)
            throw new RequestException($"{model.Location} is a dense model: it has no experts (enable_moe_block is not set in its config.json)");
        RoutingStatistics statistics = new(experts, model.Config.Layers.Count);
        using TeacherForcing forced = new(model, LogitRows.None);
        int done = 0;
        foreach (int[] window in text.Windows)
        {
            forced.Begin();
            for (int start = 0; start < window.Length; start += forced.StepTokens)
            {
                cancel.ThrowIfCancellationRequested();
                forced.Step(window.AsSpan(start, Math.Min(forced.StepTokens, window.Length - start)));
                for (int row = Math.Max(0, text.PrefixLength - start); row < forced.Tokens; row++) statistics.Add(forced, row);
                progress?.Invoke(done += forced.Tokens, text.Computed);
            }
        }
        return new RoutingReport(
            model.Location, model.Network.Experts!.Chosen.Name, experts.NumExperts, experts.TopKExperts, text.Ids.Count, statistics.Summarise());
    }
}
