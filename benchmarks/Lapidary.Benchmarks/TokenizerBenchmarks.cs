using BenchmarkDotNet.Attributes;
using Lapidary.Tokenizers;

namespace Lapidary.Benchmarks;

/// <summary>Encoding 1 MiB of English and loading, with a real vocabulary of 262,144 entries and with the tiny model's.</summary>
[MemoryDiagnoser, SimpleJob(warmupCount: 3, iterationCount: 10)]
public class TokenizerBenchmarks
{
    private string file = "", document = "";
    private string[] sentences = [];
    private Tokenizer tokenizer = null!;

    [Params("gemma", "tiny")]
    public string Vocabulary { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        file = Vocabulary == "gemma" ? Checkout.GemmaTokenizer : Checkout.TinyTokenizer;
        tokenizer = Tokenizer.Load(file);
        document = EnglishText.Document(1 << 20);
        sentences = EnglishText.Sentences(1 << 20);
    }

    [Benchmark]
    public int EncodeDocument() => tokenizer.Encode(document).Length;

    [Benchmark]
    public int EncodeSentences()
    {
        int tokens = 0;
        foreach (string sentence in sentences) tokens += tokenizer.Encode(sentence).Length;
        return tokens;
    }

    [Benchmark]
    public Tokenizer Load() => Tokenizer.Load(file);
}
