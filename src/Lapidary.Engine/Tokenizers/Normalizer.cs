using System.Globalization;
using System.Text;

namespace Lapidary.Tokenizers;

/// <summary>A step that rewrites text before it is split: the "normalizer" of tokenizer.json.</summary>
internal abstract class Normalizer
{
    private const int LongestText = 64 << 20;

    public abstract string Normalize(string text);

    /// <summary>Replacements of a hostile file can double a text many times over; this refuses before the text is made.</summary>
    private static void RequireLength(long length)
    {
        if (length > LongestText) throw new TokenizerException($"the tokenizer's normalizer makes a text of {length} characters, more than {LongestText}");
    }

    public sealed class Sequence(IReadOnlyList<Normalizer> steps) : Normalizer
    {
        public override string Normalize(string text)
        {
            foreach (Normalizer step in steps) text = step.Normalize(text);
            return text;
        }
    }

    public sealed class Replace(string pattern, string content) : Normalizer
    {
        public override string Normalize(string text)
        {
            if (content.Length > pattern.Length) RequireLength(text.Length + (long)text.AsSpan().Count(pattern) * (content.Length - pattern.Length));
            return text.Replace(pattern, content, StringComparison.Ordinal);
        }
    }

    public sealed class ReplaceRegex(TextPattern pattern, string content) : Normalizer
    {
        public override string Normalize(string text)
        {
            StringBuilder result = new(text.Length);
            int position = 0;
            foreach ((int start, int length) in pattern.Matches(text))
            {
                RequireLength((long)result.Length + (start - position) + content.Length);
                result.Append(text, position, start - position).Append(content);
                position = start + length;
            }
            return result.Append(text, position, text.Length - position).ToString();
        }
    }

    public sealed class Prepend(string prefix) : Normalizer
    {
        public override string Normalize(string text)
        {
            RequireLength((long)prefix.Length + text.Length);
            return text.Length == 0 ? text : prefix + text;
        }
    }

    public sealed class Lowercase : Normalizer
    {
        public override string Normalize(string text) => text.ToLowerInvariant();
    }

    public sealed class Strip(bool left, bool right) : Normalizer
    {
        public override string Normalize(string text) => (left, right) switch
        {
            (true, true) => text.Trim(),
            (true, false) => text.TrimStart(),
            (false, true) => text.TrimEnd(),
            _ => text,
        };
    }

    /// <summary>Drops combining marks; meant to follow a decomposition.</summary>
    public sealed class StripAccents : Normalizer
    {
        public override string Normalize(string text)
        {
            StringBuilder kept = new(text.Length);
            foreach (Rune rune in text.EnumerateRunes())
                if (Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark))
                    kept.Append(rune);
            return kept.ToString();
        }
    }

    public sealed class ByteLevel : Normalizer
    {
        public override string Normalize(string text) => ByteAlphabet.Encode(text);
    }
}
