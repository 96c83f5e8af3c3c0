using System.Diagnostics;
using System.Globalization;
using System.Text;
using Lapidary.Tokenizers;

namespace Lapidary.Benchmarks;

/// <summary>
/// Encoding beside HuggingFace's tokenizers: same texts, one thread each, in turns, medians. Ours is measured with an empty
/// word cache (a tokenizer just loaded) and again with what the first time left in it. Prints a Markdown table.
/// </summary>
internal static class TokenizerComparison
{
    private const int TextLength = 1 << 20;

    public static void Run(int rounds)
    {
        (string Name, string[] Texts)[] inputs =
        [
            ("one document of 1 MiB", [EnglishText.Document(TextLength)]),
            ("its like in single sentences", EnglishText.Sentences(TextLength)),
            ("1 MiB of 'a'", [new string('a', TextLength)]),
            ("1 MiB of spaces", [new string(' ', TextLength)]),
            ("1 MiB of one emoji", [string.Concat(Enumerable.Repeat("\U0001F642", TextLength / 4))]),
        ];
        Console.WriteLine("| vocabulary | text | MB/s, empty cache | MB/s, again | HuggingFace MB/s | ratio, empty cache | ratio, again |");
        Console.WriteLine("|---|---|--:|--:|--:|--:|--:|");
        foreach ((string vocabulary, string file) in ((string, string)[])[("Gemma, 262,144", Checkout.GemmaTokenizer), ("gemma4-tiny, 6,144", Checkout.TinyTokenizer)])
        {
            using HuggingFaceProcess peer = new(file, [.. inputs.Select(input => input.Texts)]);
            for (int i = 0; i < inputs.Length; i++)
            {
                double megabytes = inputs[i].Texts.Sum(Encoding.UTF8.GetByteCount) / 1e6;
                var times = new (double Empty, double Again, double Theirs)[rounds];
                for (int round = 0; round < rounds; round++)
                {
                    Tokenizer tokenizer = Tokenizer.Load(file);
                    (times[round].Empty, int tokens) = Encode(tokenizer, inputs[i].Texts);
                    (times[round].Again, _) = Encode(tokenizer, inputs[i].Texts);
                    (times[round].Theirs, int expected) = peer.Encode(i);
                    if (tokens != expected) throw new InvalidOperationException($"{inputs[i].Name}: {tokens} tokens, HuggingFace {expected}");
                }
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"| {vocabulary} | {inputs[i].Name} | {megabytes / Median(times.Select(t => t.Empty)):0.0} | {megabytes / Median(times.Select(t => t.Again)):0.0} | {megabytes / Median(times.Select(t => t.Theirs)):0.0} | {Median(times.Select(t => t.Theirs / t.Empty)):0.0} | {Median(times.Select(t => t.Theirs / t.Again)):0.0} |"));
            }
        }
    }

    private static (double Seconds, int Tokens) Encode(Tokenizer tokenizer, string[] texts)
    {
        long start = Stopwatch.GetTimestamp();
        int tokens = 0;
        foreach (string text in texts) tokens += tokenizer.Encode(text).Length;
        return (Stopwatch.GetElapsedTime(start).TotalSeconds, tokens);
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}
