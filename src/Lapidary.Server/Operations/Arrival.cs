using System.Diagnostics;

namespace Lapidary.Server.Operations;

/// <summary>When a request came, by <see cref="Stopwatch.GetTimestamp"/>.</summary>
internal static class Arrival
{
    private static readonly object Key = new();

    public static void Note(HttpContext context) => context.Items[Key] = Stopwatch.GetTimestamp();

    public static long Of(HttpContext context) => (long)context.Items[Key]!;
}
