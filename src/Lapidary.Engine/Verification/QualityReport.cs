namespace Lapidary.Verification;

/// <summary>One of the two configurations.</summary>
/// <param name="Settings">What was asked for, e.g. "activation=gelu"; "as published" when nothing was.</param>
/// <param name="Model">The folder, or the *.gguf file.</param>
/// <param name="Activation">Name of the activation that ran.</param>
/// <param name="Weights">How weights are quantised, e.g. "int4 in groups of 32"; null when they are not.</param>
/// <param name="ExpertBackend">The expert backend that ran; null without experts.</param>
/// <param name="Device">Device and instruction set.</param>
/// <param name="Perplexity">e to the mean negative log-likelihood of the text's tokens.</param>
/// <param name="Nll">Mean negative log-likelihood, in nats per token.</param>
/// <param name="Accuracy">Share of the text's tokens that were the most likely ones.</param>
public sealed record QualitySide(
    string Settings, string Model, string? Weights, string Activation, string? ExpertBackend, string Device, double Perplexity, double Nll, double Accuracy);

/// <summary>A position where the most likely token differs.</summary>
/// <param name="Position">Index in the text of the token that is predicted.</param>
/// <param name="Base">The base's most likely token.</param> <param name="Against">The other's.</param>
/// <param name="Kl">Divergence of the two distributions there.</param>
public sealed record Flip(int Position, int Base, int Against, double Kl);

/// <summary>Greedy continuations of the text's start.</summary>
/// <param name="PromptTokens">Tokens both start from, the prefix included.</param>
/// <param name="FirstDifference">Index of the first output token that differs; null when the outputs are equal.</param>
/// <param name="Base">The base's output ids.</param> <param name="Against">The other's.</param>
public sealed record GreedyComparison(int PromptTokens, int? FirstDifference, IReadOnlyList<int> Base, IReadOnlyList<int> Against);

/// <summary>Both configurations' use of experts, a layer each.</summary>
public sealed record RoutingPair(IReadOnlyList<LayerRouting> Base, IReadOnlyList<LayerRouting> Against);

/// <summary>Two configurations of one model, compared on a text.</summary>
/// <param name="TextTokens">Tokens of the text.</param> <param name="Windows">Windows it was cut into.</param>
/// <param name="NllDifference">Mean over the tokens of (the other's less the base's negative log-likelihood); above 0 the other is worse.</param>
/// <param name="NllStandardError">Standard error of that mean, tokens taken as independent; null for a single token.</param>
/// <param name="Kl">Divergence of the other's distribution from the base's, in nats per token.</param>
/// <param name="FlipRate">Share of positions whose most likely token differs.</param>
/// <param name="Layers">The error curve.</param>
/// <param name="Routing">Use of experts; null for a dense model.</param>
/// <param name="Tokens">Every predicted token, in the order of the text.</param>
public sealed record QualityReport(
    QualitySide Base, QualitySide Against, int TextTokens, int Windows, double NllDifference, double? NllStandardError,
    Distribution Kl, double FlipRate, IReadOnlyList<Flip> Flips, GreedyComparison Greedy, IReadOnlyList<LayerError> Layers,
    RoutingPair? Routing, IReadOnlyList<TokenDivergence> Tokens);
