namespace Lapidary.Tools;

/// <summary>The control tokens around reasoning.</summary>
/// <param name="Call">The token of a tool call, which ends reasoning too; null where there is none.</param>
/// <param name="IsOpenAfter">Whether a model goes on inside its reasoning after this prompt.</param>
internal sealed record ReasoningMarkers(string Open, string Close, string? Call, Func<string, bool> IsOpenAfter)
{
    /// <summary>With what an output may begin its reasoning without <see cref="Open"/>; null for nothing.</summary>
    public string? Label { get; init; }
}
