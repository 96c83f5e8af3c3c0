using Lapidary.Cli.Reports;
using Lapidary.Models;
using Lapidary.Verification;

namespace Lapidary.Cli.Commands;

/// <summary>Opens two configurations of a model and compares them on a text.</summary>
/// <param name="path">The model, a folder or a *.gguf file.</param> <param name="context">Context length; null for the default.</param> <param name="maxTokens">Use only so many tokens of the text; null for all.</param>
internal sealed class ModelComparison(string path, string text, int? context, int? maxTokens)
{
    /// <param name="greedyTokens">Most tokens of the greedy continuations.</param>
    public VerifyResult Run(ModelVariant from, ModelVariant to, int greedyTokens, CancellationToken cancel)
    {
        using IKernels kernels = Devices.Open(from, path);
        using IKernels otherKernels = Devices.Open(to, path);
        using MeasuredModel baseline = Open(from, kernels), against = Open(to, otherKernels);
        LanguageModel a = baseline.Model, b = against.Model;
        EvaluationText tokens = EvaluationText.Of(a.Tokenizer, text, Math.Min(a.ContextLength, b.ContextLength), maxTokens);
        if (b.Location != a.Location) RequireOneTokenizer(a, b);

        ProgressBar bar = new("comparing", "token");
        QualityReport report = QualityComparison.Run(baseline, against, tokens, greedyTokens, bar.Update, cancel);
        bar.Clear();
        return VerifyResult.Of(report, a.Tokenizer, tokens);
    }

    private MeasuredModel Open(ModelVariant variant, IKernels device)
    {
        ProgressBar loading = new($"loading ({variant})", "layer");
        MeasuredModel side = MeasuredModel.Open(path, variant, device, context, loading.Update);
        loading.Clear();
        return side;
    }

    private void RequireOneTokenizer(LanguageModel a, LanguageModel b)
    {
        if (b.HasTokenizer && !a.Tokenizer.Encode(text).AsSpan().SequenceEqual(b.Tokenizer.Encode(text)))
            throw new RequestException($"these are not two configurations of one model: {a.Location} and {b.Location} turn the text into different tokens");
    }
}
