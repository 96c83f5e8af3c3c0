using Lapidary.Scheduling;
using Lapidary.Server.Operations;

namespace Lapidary.Server.OpenAi;

/// <summary>What all answers share.</summary>
internal static class Answers
{
    /// <summary>The same program gives the same text for the same seed.</summary>
    public static string Fingerprint { get; } = $"lapidary-{ServerVersion.Current.Version}";

    public static string NewId(string prefix) => $"{prefix}{Guid.NewGuid():N}";

    public static long Now() => DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>The stop text, or the id of a stop token that the request named; null when the model ended by itself.</summary>
    public static object? StopReason(Completion completion, IReadOnlyList<int> stopTokenIds)
        => completion.StopText ?? (completion.StopTokenId is { } id && stopTokenIds.Contains(id) ? id : (object?)null);
}
