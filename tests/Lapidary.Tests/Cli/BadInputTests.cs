using System.Buffers.Binary;
using System.Text.Json.Nodes;

namespace Lapidary.Tests.Cli;

/// <summary>Every bad input ends with one line that says what is wrong, exit code 1 or 2, no stack trace, no hang.</summary>
public sealed class BadInputTests
{
    /// <summary>The embedding's tensor, present in every model.</summary>
    private const string Embedding = "model.embed_tokens.weight";

    /// <summary>Ways to damage a model, and words its refusal must contain.</summary>
    private static readonly Dictionary<string, (Action<ModelCopy> Damage, string Says)> Damages = new()
    {
        ["weights missing"] = (m => m.Delete("model.safetensors"), "model.safetensors"),
        ["weights empty"] = (m => m.Write("model.safetensors", ""), "model.safetensors"),
        ["weights truncated"] = (m => m.EditWeights(b => b[..^1000]), "model.safetensors"),
        ["weights cut in the header"] = (m => m.EditWeights(b => b[..100]), "model.safetensors"),
        ["bytes after the data"] = (m => m.EditWeights(b => [.. b, 1, 2, 3]), "model.safetensors"),
        ["header length past the end"] = (m => m.EditWeights(b => HeaderLength(b, b.Length)), "header"),
        ["header length negative"] = (m => m.EditWeights(b => HeaderLength(b, -1)), "header"),
        ["header is no JSON"] = (m => m.EditWeights(b => { b[8] = (byte)'x'; return b; }), "header"),
        ["header is not UTF-8"] = (m => m.EditWeights(b => { b[12] = 0xff; return b; }), "model.safetensors"),
        ["overlapping tensors"] = (m => m.EditHeader(h => h["model.norm.weight"]!["data_offsets"] = new JsonArray(0, 256)), "model.safetensors"),
        ["offsets past the end"] = (m => m.EditHeader(h => h["model.norm.weight"]!["data_offsets"] = new JsonArray(0L, 1L << 60)), "model.norm.weight"),
        ["missing tensor"] = (m => m.EditHeader(h => Rename(h, "model.layers.0.router.proj.weight", "model.layers.0.router.other")), "router.proj.weight"),
        ["wrong shape"] = (m => m.EditHeader(h => h[Embedding]!["shape"] = new JsonArray(128, 128)), Embedding),
        ["negative shape"] = (m => m.EditHeader(h => h[Embedding]!["shape"] = new JsonArray(-256, -64)), Embedding),
        ["shape that overflows"] = (m => m.EditHeader(h => h[Embedding]!["shape"] = new JsonArray(1L << 40, 1L << 40)), Embedding),
        ["unknown dtype"] = (m => m.EditHeader(h => h[Embedding]!["dtype"] = "F99"), "F99"),
        ["dtype that is no weight"] = (m => m.EditHeader(h => h[Embedding]!["dtype"] = "I32"), "I32"),
        ["NaN weight"] = (m => m.EditWeights(b => { BinaryPrimitives.WriteSingleLittleEndian(b.AsSpan(b.Length - 4), float.NaN); return b; }), "NaN"),
        ["index names a missing shard"] = (m =>
        {
            m.Delete("model.safetensors");
            m.Write("model.safetensors.index.json", Index("model-00001-of-00002.safetensors"));
        }, "model-00001-of-00002.safetensors"),
        ["index leaves the folder"] = (m =>
        {
            m.Delete("model.safetensors");
            m.Write("model.safetensors.index.json", Index("../../etc/passwd"));
        }, "etc/passwd"),
        ["index is no JSON"] = (m => { m.Delete("model.safetensors"); m.Write("model.safetensors.index.json", "{"); }, "model.safetensors.index.json"),
        ["config missing"] = (m => m.Delete("config.json"), "config.json"),
        ["config empty"] = (m => m.Write("config.json", ""), "config.json"),
        ["config is an array"] = (m => m.Write("config.json", "[]"), "config.json"),
        ["config is not UTF-8"] = (m => m.Write("config.json", [(byte)'{', 0xff, 0xfe, (byte)'}']), "config.json"),
        ["unknown activation"] = (m => m.Config("hidden_activation", "gelu_magic"), "gelu_pytorch_tanh"),
        ["unknown model type"] = (m => m.Config("model_type", "llama"), "llama"),
        ["no layers"] = (m => m.Config("num_hidden_layers", 0), "num_hidden_layers"),
        ["negative hidden size"] = (m => m.Config("hidden_size", -64), "hidden_size"),
        ["huge hidden size"] = (m => m.Config("hidden_size", 2147483647), "hidden_size"),
        ["hidden size as text"] = (m => m.Config("hidden_size", "big"), "hidden_size"),
        ["more experts chosen than there are"] = (m => m.Config("top_k_experts", 9), "top_k_experts"),
        ["layer types too few"] = (m => m.Config("layer_types", new JsonArray("full_attention")), "layer_types"),
        ["unknown layer type"] = (m => m.Config("layer_types", new JsonArray("full_attention", "mamba")), "mamba"),
        ["key-value heads that do not divide"] = (m => m.Config("num_key_value_heads", 3), "num_attention_heads"),
        ["quantisation of no known kind"] = (m => m.Config("quantization_config", new JsonObject { ["quant_method"] = "magic" }), "magic"),
        ["tokenizer missing"] = (m => m.Delete("tokenizer.json"), "tokenizer.json"),
        ["tokenizer broken"] = (m => m.Write("tokenizer.json", "{\"model\":"), "tokenizer.json"),
        ["tokenizer of an unknown model"] = (m => m.EditJson("tokenizer.json", t => t["model"]!["type"] = "Quantum"), "Quantum"),
        ["template missing"] = (m => m.Delete("chat_template.jinja"), "template"),
        ["template broken"] = (m => m.Write("chat_template.jinja", "{% for x in %}"), "chat_template"),
        ["template without end"] = (m => m.Write("chat_template.jinja", "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}"), "template"),
        ["template that recurses"] = (m => m.Write("chat_template.jinja", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), "template"),
        ["template that reaches out"] = (m => m.Write("chat_template.jinja", "{{ ''.__class__.__mro__ }}"), "template"),
        ["generation config broken"] = (m => m.Write("generation_config.json", "{\"do_sample\":true,\"temperature\":\"hot\"}"), "temperature"),
    };

    /// <summary>Command lines that are wrong with any model, what stands on standard input, and words of the refusal.</summary>
    private static readonly Dictionary<string, (string[] Arguments, string Input, string Says)> Lines = new()
    {
        ["unknown command"] = (["runn", "x"], "", "runn"),
        ["unknown option"] = (["run", "x", "--temprature", "0"], "", "--temprature"),
        ["temperature that is no number"] = (["run", "x", "--temperature", "warm"], "", "warm"),
        ["negative temperature"] = (["run", "x", "--temperature", "-1"], "", "temperature"),
        ["NaN temperature"] = (["run", "x", "--temperature", "NaN"], "", "temperature"),
        ["top-p above one"] = (["run", "x", "--top-p", "1.5"], "", "top"),
        ["no tokens wanted"] = (["run", "x", "--max-tokens", "0"], "", "max"),
        ["model folder missing"] = (["run", "x", "--model", "/nowhere/at/all"], "", "/nowhere/at/all"),
        ["unknown expert backend"] = (["run", "x", "--expert-backend", "quantum"], "", "quantum"),
        ["empty prompt"] = (["run", ""], "", "prompt"),
        ["empty standard input"] = (["run"], "", "prompt"),
        ["prompt ids that are no JSON"] = (["run", "--prompt-ids", "2,3"], "", "prompt-ids"),
        ["no prompt ids"] = (["run", "--prompt-ids", "[]"], "", "prompt"),
        ["prompt id past the vocabulary"] = (["run", "--prompt-ids", "[999999]"], "", "999999"),
        ["negative prompt id"] = (["run", "--prompt-ids", "[-1]"], "", "-1"),
        ["prompt over the context"] = (["run", "--context", "16", "one two three four five six seven eight nine ten eleven twelve"], "", "16"),
        ["threads below one"] = (["run", "x", "--threads", "-2"], "", "threads"),
        ["unknown fault"] = (["parity", "/tmp", "--inject", "gremlin"], "", "gremlin"),
        ["inspect of a file"] = (["inspect", "/etc/hostname"], "", "/etc/hostname"),
        ["ids that are no JSON"] = (["detokenize", "two"], "", "JSON"),
        ["id past the vocabulary to detokenize"] = (["detokenize", "[99999999]"], "", "99999999"),
        ["tokenizer file missing"] = (["tokenize", "x", "--tokenizer", "/nowhere.json"], "", "/nowhere.json"),
        ["a tokenizer and a model"] = (["tokenize", "x", "--tokenizer", "a", "--model", "b"], "", "not both"),
        ["a JSON line that is no string"] = (["tokenize", "--jsonl"], "{}\n", "line 1"),
        ["render of no request"] = (["render", "--model", Goldens.TinyModel], "", "JSON"),
        ["render of a request without messages"] = (["render", "--model", Goldens.TinyModel], "{}", "messages"),
        ["render with a template missing"] = (["render", "--template", "/nowhere.jinja"], "{\"messages\":[]}", "/nowhere.jinja"),
    };

    public static TheoryData<string> Damaged => [.. Damages.Keys];

    public static TheoryData<string> WrongLines => [.. Lines.Keys];

    [Theory, MemberData(nameof(Damaged))]
    public void A_damaged_model_is_refused_in_one_line(string damage)
    {
        using ModelCopy model = new();
        Damages[damage].Damage(model);
        AssertRefused(LapidaryProcess.Run("run", "Hello", "--model", model.Path, "--max-tokens", "2"), Damages[damage].Says);
    }

    [Theory, MemberData(nameof(WrongLines))]
    public void A_wrong_command_line_is_refused_in_one_line(string line)
        => AssertRefused(LapidaryProcess.RunWithInput(Lines[line].Input, Lines[line].Arguments), Lines[line].Says);

    [Theory]
    [InlineData("run", "--max-tokens", "2")]
    [InlineData("tokenize")]
    [InlineData("tokenize", "--jsonl")]
    public void Input_that_is_not_UTF8_is_refused(params string[] arguments)
        => AssertRefused(LapidaryProcess.RunWithInput([(byte)'"', 0xff, 0xfe, (byte)'"', (byte)'\n'], arguments), "UTF-8");

    /// <summary>The control: the copy itself, not damaged, runs (its vocabulary is too small for the tokenizer, so by ids).</summary>
    [Fact]
    public void The_copy_without_damage_runs()
    {
        using ModelCopy model = new();
        CommandResult result = LapidaryProcess.Run("run", "--prompt-ids", "[2,5,7]", "--model", model.Path, "--max-tokens", "2", "--json");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.Equal(2, JsonNode.Parse(result.Output)!["output_ids"]!.AsArray().Count);
    }

    private static void AssertRefused(CommandResult result, string says)
    {
        Assert.True(result.ExitCode is 1 or 2, $"exit code {result.ExitCode}: {result.Output} {result.Error}");
        Assert.Empty(result.Output);
        string line = Assert.Single(result.ErrorLines);
        Assert.StartsWith("error: ", line);
        Assert.Contains(says, line, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("   at ", line);
        Assert.DoesNotContain("Exception", line);
    }

    private static string Index(string shard) => new JsonObject { ["weight_map"] = new JsonObject { [Embedding] = shard } }.ToJsonString();

    private static byte[] HeaderLength(byte[] file, long length)
    {
        BinaryPrimitives.WriteInt64LittleEndian(file, length);
        return file;
    }

    private static void Rename(JsonObject json, string from, string to)
    {
        JsonNode? value = json[from];
        json.Remove(from);
        json[to] = value;
    }
}
