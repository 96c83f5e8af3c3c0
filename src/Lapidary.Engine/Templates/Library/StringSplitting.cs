using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>Python's split, rsplit and partition. A negative limit means none.</summary>
internal static class StringSplitting
{
    public static List<string> OnSpace(string text, int limit)
    {
        List<string> parts = [];
        for (int i = 0; ;)
        {
            while (i < text.Length && PythonText.IsSpace(text[i])) i++;
            if (i == text.Length) return parts;
            if (parts.Count == limit)
            {
                parts.Add(text[i..]);
                return parts;
            }
            int start = i;
            while (i < text.Length && !PythonText.IsSpace(text[i])) i++;
            parts.Add(text[start..i]);
        }
    }

    public static List<string> OnSpaceFromEnd(string text, int limit)
    {
        List<string> parts = [];
        for (int i = text.Length; ;)
        {
            while (i > 0 && PythonText.IsSpace(text[i - 1])) i--;
            if (i == 0) break;
            if (parts.Count == limit)
            {
                parts.Add(text[..i]);
                break;
            }
            int end = i;
            while (i > 0 && !PythonText.IsSpace(text[i - 1])) i--;
            parts.Add(text[i..end]);
        }
        parts.Reverse();
        return parts;
    }

    public static List<string> On(string text, string separator, int limit)
    {
        List<string> parts = [];
        int start = 0;
        while (parts.Count != limit && text.IndexOf(separator, start, StringComparison.Ordinal) is >= 0 and var at)
        {
            parts.Add(text[start..at]);
            start = at + separator.Length;
        }
        parts.Add(text[start..]);
        return parts;
    }

    public static List<string> OnFromEnd(string text, string separator, int limit)
    {
        List<string> parts = [];
        int end = text.Length;
        while (parts.Count != limit && text.AsSpan(0, end).LastIndexOf(separator) is >= 0 and var at)
        {
            parts.Add(text[(at + separator.Length)..end]);
            end = at;
        }
        parts.Add(text[..end]);
        parts.Reverse();
        return parts;
    }
}
