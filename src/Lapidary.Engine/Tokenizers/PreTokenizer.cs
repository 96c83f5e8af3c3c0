using System.Text;

namespace Lapidary.Tokenizers;

/// <summary>What happens to the delimiter when a text is split at it.</summary>
internal enum SplitBehavior
{
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

/// <summary>Cuts normalised text into the words that merges stay within: the "pre_tokenizer" of tokenizer.json.</summary>
internal abstract class PreTokenizer
{
    /// <summary>Replaces each word of the list by its parts, in order.</summary>
    public abstract void Split(List<string> words);

    public sealed class Sequence(IReadOnlyList<PreTokenizer> steps) : PreTokenizer
    {
        public override void Split(List<string> words)
        {
            foreach (PreTokenizer step in steps) step.Split(words);
        }
    }

    /// <summary>Splits at every match of a literal or a regular expression.</summary>
    public sealed class Delimited(Func<string, IEnumerable<(int Start, int Length)>> matches, SplitBehavior behavior, bool invert) : PreTokenizer
    {
        public override void Split(List<string> words) => Each(words, (word, parts) => Pieces.Add(word, matches(word), behavior, invert, parts));
    }

    /// <summary>Every character of a class is a delimiter.</summary>
    public sealed class CharacterClass(Func<Rune, bool> isDelimiter, SplitBehavior behavior) : PreTokenizer
    {
        public override void Split(List<string> words) => Each(words, (word, parts) => Pieces.Add(word, Matches(word), behavior, invert: false, parts));

        private IEnumerable<(int, int)> Matches(string word)
        {
            int i = 0;
            foreach (Rune rune in word.EnumerateRunes())
            {
                if (isDelimiter(rune)) yield return (i, rune.Utf16SequenceLength);
                i += rune.Utf16SequenceLength;
            }
        }
    }

    /// <summary>GPT-2: splits by its pattern and writes each word in the byte alphabet.</summary>
    public sealed class ByteLevel(bool addPrefixSpace, bool useRegex) : PreTokenizer
    {
        private static readonly Lazy<TextPattern> Pattern =
            new(() => new TextPattern(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"));

        public override void Split(List<string> words) => Each(words, (word, parts) =>
        {
            if (addPrefixSpace && !word.StartsWith(' ')) word = ' ' + word;
            int from = parts.Count;
            if (useRegex) Pieces.Add(word, Pattern.Value.Matches(word), SplitBehavior.Isolated, invert: false, parts);
            else parts.Add(word);
            for (int i = from; i < parts.Count; i++) parts[i] = ByteAlphabet.Encode(parts[i]);
        });
    }

    public enum PrependScheme
    {
        Always,
        First,
        Never,
    }

    /// <summary>SentencePiece: spaces become a visible mark, which may also be put in front.</summary>
    public sealed class Metaspace(char replacement, PrependScheme scheme, bool split) : PreTokenizer
    {
        public override void Split(List<string> words)
        {
            bool first = true;
            Each(words, (word, parts) =>
            {
                word = word.Replace(' ', replacement);
                if ((scheme == PrependScheme.Always || (scheme == PrependScheme.First && first)) && !word.StartsWith(replacement)) word = replacement + word;
                first = false;
                if (!split) parts.Add(word);
                else Pieces.Add(word, Pieces.Occurrences(word, replacement.ToString()), SplitBehavior.MergedWithNext, invert: false, parts);
            });
        }
    }

    protected static void Each(List<string> words, Action<string, List<string>> split)
    {
        List<string> parts = new(words.Count);
        foreach (string word in words) split(word, parts);
        words.Clear();
        words.AddRange(parts.Where(part => part.Length > 0));
    }
}

/// <summary>Cutting a word at delimiters.</summary>
internal static class Pieces
{
    public static void Add(string word, IEnumerable<(int Start, int Length)> matches, SplitBehavior behavior, bool invert, List<string> parts)
    {
        List<(int Start, int End, bool Delimiter)> ranges = [];
        int position = 0;
        foreach ((int start, int length) in matches)
        {
            if (length == 0) continue;
            if (start > position) ranges.Add((position, start, invert));
            ranges.Add((start, start + length, !invert));
            position = start + length;
        }
        if (position < word.Length) ranges.Add((position, word.Length, invert));
        foreach ((int start, int end, bool delimiter) in Joined(ranges, behavior))
            if (!(delimiter && behavior == SplitBehavior.Removed)) parts.Add(word[start..end]);
    }

    public static IEnumerable<(int Start, int Length)> Occurrences(string word, string literal)
    {
        for (int i = word.IndexOf(literal, StringComparison.Ordinal); i >= 0; i = word.IndexOf(literal, i + literal.Length, StringComparison.Ordinal))
            yield return (i, literal.Length);
    }

    private static List<(int Start, int End, bool Delimiter)> Joined(List<(int Start, int End, bool Delimiter)> ranges, SplitBehavior behavior)
    {
        if (behavior is SplitBehavior.Removed or SplitBehavior.Isolated) return ranges;
        List<(int Start, int End, bool Delimiter)> joined = new(ranges.Count);
        foreach ((int start, int end, bool delimiter) in ranges)
        {
            if (joined.Count > 0 && Joins(joined[^1].Delimiter, delimiter, behavior)) joined[^1] = (joined[^1].Start, end, delimiter);
            else joined.Add((start, end, delimiter));
        }
        return joined;
    }

    /// <summary>A joined part counts as what its second half is, so that nothing joins it twice.</summary>
    private static bool Joins(bool first, bool second, SplitBehavior behavior) => behavior switch
    {
        SplitBehavior.MergedWithPrevious => !first && second,
        SplitBehavior.MergedWithNext => first && !second,
        _ => first == second,
    };
}
