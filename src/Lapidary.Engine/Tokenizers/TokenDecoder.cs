using System.Text;

namespace Lapidary.Tokenizers;

/// <summary>A step from token texts back to text: the "decoder" of tokenizer.json. Joining what is left gives the text.</summary>
internal abstract class TokenDecoder
{
    public abstract void Decode(List<string> tokens);

    /// <summary>Whether the text of a whole character does not depend on the tokens around it.</summary>
    public virtual bool IsLocal => true;

    /// <summary>The bytes of one token, which need not be whole characters.</summary>
    public virtual byte[] DecodeBytes(string token)
    {
        List<string> tokens = [token];
        Decode(tokens);
        return Encoding.UTF8.GetBytes(string.Concat(tokens));
    }

    public sealed class Sequence(IReadOnlyList<TokenDecoder> steps) : TokenDecoder
    {
        public override byte[] DecodeBytes(string token) => steps.OfType<ByteLevel>().FirstOrDefault()?.DecodeBytes(token) ?? base.DecodeBytes(token);

        public override void Decode(List<string> tokens)
        {
            foreach (TokenDecoder step in steps) step.Decode(tokens);
        }

        public override bool IsLocal => steps.All(step => step.IsLocal);
    }

    public sealed class Replace(string pattern, string content) : TokenDecoder
    {
        public override void Decode(List<string> tokens)
        {
            for (int i = 0; i < tokens.Count; i++) tokens[i] = tokens[i].Replace(pattern, content, StringComparison.Ordinal);
        }
    }

    /// <summary>Runs of "&lt;0xE2&gt;" become their character, or one U+FFFD a byte when they are no valid UTF-8.</summary>
    public sealed class ByteFallback : TokenDecoder
    {
        private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

        public override void Decode(List<string> tokens)
        {
            List<byte> run = [];
            int kept = 0;
            for (int i = 0; i <= tokens.Count; i++)
            {
                if (i < tokens.Count && TryByte(tokens[i], out byte value))
                {
                    run.Add(value);
                    continue;
                }
                if (run.Count > 0) tokens[kept++] = Text([.. run]);
                run.Clear();
                if (i < tokens.Count) tokens[kept++] = tokens[i];
            }
            tokens.RemoveRange(kept, tokens.Count - kept);
        }

        public static bool TryByte(string token, out byte value)
        {
            value = 0;
            return token is ['<', '0', 'x', _, _, '>'] && byte.TryParse(token.AsSpan(3, 2), System.Globalization.NumberStyles.HexNumber, null, out value);
        }

        private static string Text(byte[] run)
        {
            try
            {
                return Strict.GetString(run);
            }
            catch (DecoderFallbackException)
            {
                return new string('\uFFFD', run.Length);
            }
        }
    }

    public sealed class Fuse : TokenDecoder
    {
        public override void Decode(List<string> tokens)
        {
            string text = string.Concat(tokens);
            tokens.Clear();
            tokens.Add(text);
        }
    }

    public sealed class Strip(char content, int start, int stop) : TokenDecoder
    {
        public override bool IsLocal => false; // after a Fuse it sees the whole text

        public override void Decode(List<string> tokens)
        {
            for (int i = 0; i < tokens.Count; i++)
            {
                string token = tokens[i];
                int from = 0, to = token.Length;
                while (from < Math.Min(start, token.Length) && token[from] == content) from++;
                while (token.Length - to < stop && to > from && token[to - 1] == content) to--;
                tokens[i] = token[from..to];
            }
        }
    }

    public sealed class ByteLevel : TokenDecoder
    {
        public override byte[] DecodeBytes(string token) => ByteAlphabet.Decode(token);

        public override void Decode(List<string> tokens)
        {
            string text = Encoding.UTF8.GetString([.. tokens.SelectMany(ByteAlphabet.Decode)]);
            tokens.Clear();
            tokens.Add(text);
        }
    }

    public sealed class Metaspace(char replacement, PreTokenizer.PrependScheme scheme) : TokenDecoder
    {
        public override bool IsLocal => scheme == PreTokenizer.PrependScheme.Never;

        public override void Decode(List<string> tokens)
        {
            for (int i = 0; i < tokens.Count; i++)
            {
                string token = tokens[i];
                if (i == 0 && scheme != PreTokenizer.PrependScheme.Never && token.StartsWith(replacement)) token = token[1..];
                tokens[i] = token.Replace(replacement, ' ');
            }
        }
    }
}
