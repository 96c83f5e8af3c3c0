using Lapidary.Generation;

namespace Lapidary.Scheduling;

/// <summary>One token of one choice, or (with <see cref="NoToken"/>) the end of a choice that no token brought about.</summary>
/// <param name="Choice">0 to n - 1.</param>
/// <param name="TokenId">The token, one that ends the text included; <see cref="NoToken"/> for none.</param>
/// <param name="Text">
/// What is now certain of the output: whole characters, and nothing that may still become a stop text. Often empty; it may
/// hold the text of earlier tokens.
/// </param>
/// <param name="Logprobs">When the request asked for them.</param>
/// <param name="Completion">In the last event of a choice only.</param>
public readonly record struct TokenEvent(
    int Choice, int TokenId, string Text, TokenLogprobs? Logprobs, Completion? Completion)
{
    public const int NoToken = -1;

    /// <summary>What <see cref="RequestHandle.Nudge"/> gives: nothing happened.</summary>
    internal static TokenEvent Nothing { get; } = new(-1, NoToken, "", null, null);

    /// <summary>Whether it only woke the reader.</summary>
    public bool IsNothing => Choice < 0;
}

/// <summary>A token and its log-probability under the model, before temperature, penalties and bias.</summary>
/// <param name="Rank">1 for the most likely token.</param>
public readonly record struct TokenLogprob(int TokenId, float Logprob, int Rank);

/// <param name="Chosen">The token that was sampled or, in a prompt, is there.</param>
/// <param name="Top">The most likely ones, as many as asked for, by descending probability.</param>
public sealed record TokenLogprobs(TokenLogprob Chosen, IReadOnlyList<TokenLogprob> Top);

/// <summary>How a choice ended.</summary>
/// <param name="StopText">The stop text that ended it, if one did.</param>
/// <param name="StopTokenId">The token that ended it, if one of stop_token_ids or the model's own end tokens did.</param>
/// <param name="Error">With <see cref="FinishReason.Error"/>, and with Abort when a deadline passed; else null.</param>
public sealed record Completion(
    FinishReason Reason, string? StopText, int? StopTokenId, Usage Usage, RequestTimings Timings, LapidaryException? Error);

/// <param name="PromptTokens">Of the request, the same for every choice.</param>
/// <param name="CompletionTokens">Of the choice, one that ends the text included.</param>
/// <param name="CachedTokens">Of the prompt, found in the prefix cache.</param>
public sealed record Usage(int PromptTokens, int CompletionTokens, int CachedTokens);

/// <summary>From submission to first schedule, to first token, to the end. What was not reached is zero.</summary>
public sealed record RequestTimings(TimeSpan Queued, TimeSpan Prefill, TimeSpan Decode)
{
    public TimeSpan Total => Queued + Prefill + Decode;
}
