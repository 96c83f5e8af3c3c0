using System.Globalization;
using System.Text;

namespace Lapidary.Tokenizers;

/// <summary>A step that rewrites text before it is split: the "normalizer" of tokenizer.json.</summary>
internal abstract class Normalizer
{
    public abstract string Normalize(string text);

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
        public override string Normalize(string text) => text.Replace(pattern, content, StringComparison.Ordinal);
    }

    public sealed class ReplaceRegex(TextPattern pattern, string content) : Normalizer
    {
        public override string Normalize(string text)
        {
            StringBuilder result = new(text.Length);
            int position = 0;
            foreach ((int start, int length) in pattern.Matches(text))
            {
                result.Append(text, position, start - position).Append(content);
                position = start + length;
            }
            return result.Append(text, position, text.Length - position).ToString();
        }
    }

    public sealed class Prepend(string prefix) : Normalizer
    {
        public override string Normalize(string text) => text.Length == 0 ? text : prefix + text;
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
