using System.Globalization;
using System.Text;
using Lapidary.Tokenizers;

namespace Lapidary.Models.Synthetic;

/// <summary>
/// A tokenizer for a synthetic model: the embedded model's, which has Gemma's control tokens and bytes, filled up with words
/// that no text is encoded to, so that every id has a text.
/// </summary>
internal static class SyntheticTokenizer
{
    /// <exception cref="TokenizerException">The vocabulary is smaller than the embedded model's.</exception>
    public static Tokenizer Create(int vocabSize)
    {
        TokenizerParts parts = TokenizerFile.Read(Path.Combine(DefaultModel.Embedded(), "tokenizer.json"));
        Vocabulary vocabulary = parts.Model.Vocabulary;
        if (vocabSize < vocabulary.Size)
            throw new TokenizerException($"a synthetic vocabulary of {vocabSize} is smaller than that of the embedded model, {vocabulary.Size}, whose texts it takes; use vocab={vocabulary.Size} or more");
        for (int id = vocabulary.Size; id < vocabSize; id++) vocabulary.TryAdd(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"▁w{id}")), id);
        return new Tokenizer(parts);
    }
}
