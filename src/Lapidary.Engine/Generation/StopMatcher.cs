namespace Lapidary.Generation;

/// <summary>Whether the stop text that ends an output is part of it.</summary>
public enum StopText
{
    Exclude,
    Include,
}

/// <summary>
/// Watches a text that comes in pieces for stop texts. Holds back only what may still become one; on a match the text ends
/// just before or after it. The result does not depend on how the text is cut into pieces.
/// </summary>
public sealed class StopMatcher
{
    private readonly string[] stops;
    private readonly int longest;
    private readonly StopText onMatch;
    private string held = "";
    private int passed; // of what is held: where no stop text may end

    /// <exception cref="RequestException">A stop text is empty.</exception>
    public StopMatcher(IReadOnlyList<string> stops, StopText onMatch = StopText.Exclude)
    {
        if (stops.Any(string.IsNullOrEmpty)) throw new RequestException("a stop text is empty; every stop text needs at least one character");
        this.stops = [.. stops];
        this.onMatch = onMatch;
        longest = this.stops.Select(s => s.Length).DefaultIfEmpty().Max();
    }

    /// <summary>The stop text that was found, or null.</summary>
    public string? Matched { get; private set; }

    /// <summary>Takes a piece and returns the text that is now certain. After a match nothing more comes.</summary>
    public string Push(string piece)
    {
        if (Matched is not null) return "";
        if (stops.Length == 0) return piece;
        string text = held + piece;
        // The match that ends first wins, and of those the one that begins first.
        int end = int.MaxValue, start = 0;
        foreach (string stop in stops)
        {
            int at = text.IndexOf(stop, Math.Max(0, passed - stop.Length + 1), StringComparison.Ordinal);
            if (at < 0 || at + stop.Length > end || (at + stop.Length == end && at >= start)) continue;
            (start, end, Matched) = (at, at + stop.Length, stop);
        }
        if (Matched is not null)
        {
            held = "";
            return text[..(onMatch == StopText.Include ? end : start)];
        }
        string certain = Certain(text);
        passed = Math.Max(0, passed - certain.Length);
        return certain;
    }

    /// <summary>Takes a piece in which no stop text may end, though one may begin.</summary>
    public string Pass(string piece)
    {
        if (stops.Length == 0) return piece;
        string certain = Certain(held + piece);
        passed = held.Length;
        return certain;
    }

    /// <summary>What was held back, when no more text comes.</summary>
    public string Flush()
    {
        string rest = held;
        held = "";
        return rest;
    }

    private string Certain(string text)
    {
        int keep = HeldBack(text);
        held = text[keep..];
        return text[..keep];
    }

    /// <summary>Where the longest suffix begins that is the start of a stop text.</summary>
    private int HeldBack(string text)
    {
        for (int start = Math.Max(0, text.Length - longest + 1); start < text.Length; start++)
            foreach (string stop in stops)
                if (stop.AsSpan().StartsWith(text.AsSpan(start), StringComparison.Ordinal)) return start;
        return text.Length;
    }
}
