using Lapidary.Cpu;
using Lapidary.Generation;
using Lapidary.Models;
using Lapidary.Sampling;
using Lapidary.Tokenizers;

namespace Lapidary.Tests.Models.Gguf;

/// <summary>A GGUF file is the same model as the HuggingFace folder it was made from.</summary>
public sealed class GgufModelTests
{
    [Fact]
    public void Greedy_output_equals_that_of_huggingface()
    {
        using GgufCopy copy = new();
        using CpuKernels kernels = new();
        using LanguageModel model = LanguageModel.Open(copy.FilePath, kernels, new LanguageModelOptions()), folder = LanguageModel.Open(Goldens.TinyModel, kernels, new LanguageModelOptions());
        int[] prompt = folder.Tokenizer.Encode("<|turn>user\nTell me a story.<turn|>\n<|turn>model\n");
        SamplingParameters greedy = new() { Temperature = 0, MaxTokens = 48 };
        Assert.Equal(new TextGenerator(folder).Generate(prompt, greedy).Select(e => e.TokenId), new TextGenerator(model).Generate(prompt, greedy).Select(e => e.TokenId));
    }

    [Fact]
    public void The_configuration_is_that_of_config_json()
    {
        using GgufCopy copy = new();
        using ModelFiles files = ModelFiles.Open(copy.FilePath);
        Gemma4Config expected = Gemma4ConfigReader.Load(Goldens.TinyModel);
        Assert.Equal(expected.Layers, files.Config.Layers);
        Assert.Equal(Text(expected), Text(files.Config with { VocabSizePerLayerInput = expected.VocabSizePerLayerInput }));
        Assert.Equal([1, 50, 106], files.Config.EosTokenIds);

        static string Text(Gemma4Config config) => (config with { Layers = Array.Empty<Gemma4Layer>(), EosTokenIds = Array.Empty<int>() }).ToString();
    }

    [Fact]
    public void Tokens_and_templates_are_those_of_the_folder()
    {
        using GgufCopy copy = new();
        using ModelFiles files = ModelFiles.Open(copy.FilePath);
        Tokenizer expected = Tokenizer.Load(Goldens.TinyModel), actual = files.LoadTokenizer();
        foreach (string text in (string[])["Hello, Tom!", "  two  spaces\n\n\nand lines", "<|turn>user\nHi<turn|>", "naïve 東京 🙂 \u0001", ""])
        {
            Assert.Equal(expected.Encode(text), actual.Encode(text));
            Assert.Equal(text, actual.Decode(actual.Encode(text, SpecialTokens.Omit)));
        }
        Assert.True(files.LoadChatTemplate().Mentions("<|turn>"));
    }

    [Fact]
    public void Its_parts_are_those_of_the_folder()
    {
        using GgufCopy copy = new();
        using ModelFiles files = ModelFiles.Open(copy.FilePath), folder = ModelFiles.Open(Goldens.TinyModel);
        long frequencies = files.Parts.Sum(part => part.Elements) - folder.Parts.Sum(part => part.Elements);
        Assert.Equal(files.Config.Layers.First(layer => layer.IsFull).HeadDim / 2, frequencies); // rope_freqs is one tensor more
    }

    public static TheoryData<string, string> Missing => new()
    {
        { "gemma4.block_count", "gemma4.block_count is missing" },
        { "gemma4.attention.sliding_window_pattern", "attention.sliding_window_pattern is missing" },
        { "general.architecture", "general.architecture is missing" },
        { "blk.1.attn_q.weight", "tensor \"blk.1.attn_q.weight\" is missing" },
        { "blk.0.ffn_down_exps.scale", "tensor \"blk.0.ffn_down_exps.scale\" is missing" },
        { "token_embd.weight", "token_embd.weight is missing" },
        { "tokenizer.ggml.merges", "tokenizer.ggml.merges is missing" },
        { "tokenizer.chat_template", "has no chat template" },
    };

    [Theory, MemberData(nameof(Missing))]
    public void What_is_missing_is_named(string what, string says)
    {
        using GgufCopy copy = new(name => name != what);
        using CpuKernels kernels = new();
        LapidaryException exception = Assert.ThrowsAny<LapidaryException>(() =>
        {
            using LanguageModel model = LanguageModel.Open(copy.FilePath, kernels, new LanguageModelOptions());
            _ = model.Tokenizer;
            _ = model.ChatTemplate;
        });
        Assert.Contains(says, exception.Message);
        Assert.Contains("model.gguf", exception.Message);
    }
}
