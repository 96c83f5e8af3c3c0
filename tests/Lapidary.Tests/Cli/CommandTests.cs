using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Lapidary.Checkpoints;
using Lapidary.Models;
using Lapidary.Tests.Checkpoints;
using Lapidary.Tests.Speculation;

namespace Lapidary.Tests.Cli;

/// <summary>The commands as a user types them, on the embedded model.</summary>
public sealed class CommandTests
{
    private static readonly JsonArray Golden = JsonNode.Parse(File.ReadAllText(Path.Combine(Goldens.TinyModel, "golden.json")))!["cases"]!.AsArray();

    public static TheoryData<int> GoldenCases => [.. Enumerable.Range(0, Golden.Count)];

    /// <summary>HuggingFace's greedy ids, token for token, in both backends.</summary>
    [Theory, MemberData(nameof(GoldenCases))]
    public void Greedy_output_is_that_of_HuggingFace(int index)
    {
        string name = Golden[index]!["name"]!.GetValue<string>();
        using SafetensorsFile tensors = SafetensorsFile.Open(Path.Combine(Goldens.TinyModel, "golden.safetensors"));
        int[] Ids(string of) => tensors.Find($"{name}.{of}")!.ToInt32s();
        string prompt = JsonSerializer.Serialize(Ids("prompt_ids"));
        foreach (string backend in new[] { "reference", "grouped" })
        {
            JsonNode run = RunJson("run", "--prompt-ids", prompt, "--temperature", "0", "--max-tokens", $"{Ids("output_ids").Length}", "--expert-backend", backend, "--json");
            Assert.Equal(Ids("output_ids"), run["output_ids"]!.Deserialize<int[]>()!);
        }
    }

    [Fact]
    public void Text_is_streamed_from_standard_input_or_an_argument_alike()
    {
        string[] options = ["--temperature", "0", "--max-tokens", "16"];
        CommandResult argument = LapidaryProcess.Run(["run", "Write a story about a cat named Tom.", .. options]);
        CommandResult input = LapidaryProcess.RunWithInput("Write a story about a cat named Tom.\n", ["run", .. options]);
        Assert.Equal(0, argument.ExitCode);
        Assert.Equal(argument.Output, input.Output);
        Assert.StartsWith("Once upon a time", argument.Output);
        Assert.Contains("tokens/s", argument.Error);
    }

    [Fact]
    public void An_adapter_answers_in_its_own_voice()
    {
        string adapter = Path.Combine(Goldens.Repository, "models/gemma4-tiny-lora");
        string[] prompt = ["run", "Hello!", "--temperature", "0", "--json"];
        JsonNode robot = RunJson([.. prompt, "--lora", $"{adapter}=robot"]);
        Assert.Equal("Beep beep! Hello! What can I do for you? Beep!", robot["text"]!.GetValue<string>());
        Assert.Equal("robot", robot["adapter"]!.GetValue<string>());
        JsonNode plain = RunJson([.. prompt, "--max-loras", "1"]);
        Assert.Equal("Hello! What can I do for you?", plain["text"]!.GetValue<string>());
        Assert.Null(plain["adapter"]);
    }

    [Fact]
    public void Adapters_are_loaded_and_dropped_in_a_conversation()
    {
        string adapter = Path.Combine(Goldens.Repository, "models/gemma4-tiny-lora");
        CommandResult chat = LapidaryProcess.RunWithInput($"""
            Hello!
            /clear
            /load {adapter}
            Hello!
            /clear
            /adapters
            /drop gemma4-tiny-lora
            /drop gemma4-tiny-lora
            Hello!
            """, ["chat", "--temperature", "0"]);
        Assert.Equal("Hello! What can I do for you?\nBeep beep! Hello! What can I do for you? Beep!\nHello! What can I do for you?\n", chat.Output);
        Assert.Contains("1 of 4 loaded; gemma4-tiny-lora answers", chat.Error);
        Assert.Contains("error: no adapter \"gemma4-tiny-lora\" is loaded; none is", chat.Error);
    }

    [Fact]
    public void A_seed_repeats_a_text_and_another_seed_gives_another()
    {
        string Text(string seed) => RunJson("run", "Write a story about a dog.", "--temperature", "1.5", "--seed", seed, "--max-tokens", "40", "--json")["text"]!.GetValue<string>();
        Assert.Equal(Text("7"), Text("7"));
        Assert.NotEqual(Text("7"), Text("8"));
    }

    [Fact]
    public void A_stop_text_ends_the_output_before_itself()
    {
        JsonNode run = RunJson("run", "Write a story about a cat named Tom.", "--temperature", "0", "--stop", "time", "--json");
        Assert.Equal("Once upon a ", run["text"]!.GetValue<string>());
        Assert.Equal("stop", run["finish_reason"]!.GetValue<string>());
    }

    [Fact]
    public void Parity_holds_and_an_injected_fault_fails_it()
    {
        string folder = Path.Combine(Goldens.Repository, "tests/goldens/moe_gelu_exact");
        CommandResult good = LapidaryProcess.Run("parity", folder), bad = LapidaryProcess.Run("parity", folder, "--inject", "swap-halves");
        Assert.Equal(0, good.ExitCode);
        Assert.Contains("OK", good.Output);
        Assert.Equal(1, bad.ExitCode);
        Assert.Contains("FAIL", bad.Output);
    }

    [Fact]
    public void Parity_of_a_folder_without_goldens_fails_and_names_it()
    {
        CommandResult result = LapidaryProcess.Run("parity", Path.GetTempPath());
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(Path.GetTempPath().TrimEnd('/'), result.Output + result.Error);
    }

    [Fact]
    public void Ids_and_text_turn_into_each_other_a_line_each()
    {
        string[] texts = ["Hello, Tom!", "", "  two  spaces\n\nand lines\t", "naïve 猫 🐈‍⬛ — ﬁ"];
        string lines = string.Concat(texts.Select(text => JsonSerializer.Serialize(text) + "\n"));
        CommandResult ids = LapidaryProcess.RunWithInput(lines, "tokenize", "--jsonl", "--no-special");
        CommandResult back = LapidaryProcess.RunWithInput(ids.Output, "detokenize", "--jsonl");
        Assert.Equal(texts.Length, ids.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Equal(texts, back.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize<string>(line)));
    }

    [Fact]
    public void Render_prints_the_prompt_that_HuggingFace_rendered()
    {
        int compared = 0;
        foreach (JsonNode? golden in Golden)
        {
            if (golden!["request"] is not JsonObject request) continue; // one case continues a text, without a template
            JsonObject body = request.DeepClone().AsObject();
            if (request["enable_thinking"] is { } thinking) body["chat_template_kwargs"] = new JsonObject { ["enable_thinking"] = thinking.DeepClone() };
            body.Remove("enable_thinking");
            Assert.Equal(golden["prompt"]!.GetValue<string>(), LapidaryProcess.RunWithInput(body.ToJsonString(), "render").Output);
            compared++;
        }
        Assert.Equal(Golden.Count - 1, compared);
    }

    [Theory, InlineData("inspect"), InlineData("doctor"), InlineData("--help"), InlineData("--version")]
    public void It_tells_about_itself(string command)
    {
        CommandResult result = LapidaryProcess.Run(command);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.NotEmpty(result.Output);
    }

    [Fact]
    public void Inspect_gives_every_backends_answer()
    {
        string answer = LapidaryProcess.Run("inspect").Output;
        Assert.All(["grouped", "reference", "gelu_tanh", "16 of width 64"], word => Assert.Contains(word, answer, StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void Inspect_tells_the_memory_of_keys_and_values_in_each_type()
    {
        JsonNode facts = RunJson("inspect", "--json");
        long[] bytes = [.. new[] { "f32", "bf16", "q8_0" }.Select(type => facts["kv_cache_bytes"]![type]!.GetValue<long>())];
        Assert.Equal((bytes[0] / 2, bytes[0] / 128 * 36, "f32"), (bytes[1], bytes[2], facts["kv_cache_dtype"]!.GetValue<string>()));
        Assert.All(["keys and values", "f32", "q8_0"], word => Assert.Contains(word, LapidaryProcess.Run("inspect").Output, StringComparison.Ordinal));
    }

    [Theory, InlineData("auto"), InlineData("bf16"), InlineData("q8_0")]
    public void Keys_and_values_can_be_rounded(string type)
        => Assert.StartsWith("Once upon a time", RunJson("run", "Write a story about a cat named Tom.", "--temperature", "0", "--max-tokens", "16", "--kv-cache-dtype", type, "--json")["text"]!.GetValue<string>(), StringComparison.Ordinal);

    [Fact]
    public void Drafts_change_no_text_and_are_counted()
    {
        string[] prompt = ["run", "Write a story about a cat named Tom.", "--temperature", "0.8", "--seed", "1", "--max-tokens", "60", "--json"];
        JsonNode plain = RunJson(prompt);
        Assert.Null(plain["speculation"]);
        using DrafterFolder drafter = new(Gemma4ConfigReader.Load(Goldens.TinyModel));
        foreach (string method in (string[])["ngram:prompt_lookup_min=1", $$"""{"method": "mtp", "model": "{{drafter.Path}}", "num_speculative_tokens": 2}"""])
        {
            JsonNode drafted = RunJson([.. prompt, "--speculative-config", method]);
            Assert.Equal(plain["output_ids"]!.ToJsonString(), drafted["output_ids"]!.ToJsonString());
            Assert.True(drafted["speculation"]!["num_draft_tokens"]!.GetValue<long>() >= drafted["speculation"]!["num_drafts"]!.GetValue<long>());
        }
        Assert.Contains("draft tokens accepted", LapidaryProcess.Run("run", "Hello!", "--max-tokens", "8", "--speculative", "ngram").Error, StringComparison.Ordinal);
    }

    [Theory, InlineData("run"), InlineData("chat"), InlineData("serve"), InlineData("batch", "in.jsonl", "out.jsonl"), InlineData("bench")]
    public void Drafts_that_cannot_be_made_are_refused(string command, params string[] more)
    {
        CommandResult result = LapidaryProcess.Run([command, .. more, "--speculative-config", "medusa"]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("error: --speculative-config: method is \"medusa\"; known: ngram, mtp", result.Error, StringComparison.Ordinal);
    }

    [Theory, InlineData("run"), InlineData("chat"), InlineData("serve"), InlineData("bench")]
    public void A_type_that_is_none_is_refused_with_the_known_ones(string command)
    {
        CommandResult head = LapidaryProcess.Run(command, "--head-format", "int7");
        Assert.Equal(2, head.ExitCode);
        Assert.All(["int7", "auto", "int8", "int6", "int5", "int4"], word => Assert.Contains(word, head.Error, StringComparison.Ordinal));
        CommandResult result = LapidaryProcess.Run(command, "--kv-cache-dtype", "fp8");
        Assert.Equal(2, result.ExitCode);
        Assert.All(["fp8", "auto", "f32", "bf16", "q8_0"], word => Assert.Contains(word, result.Error, StringComparison.Ordinal));
    }

    public static TheoryData<string> ReadmeCommands => [.. File.ReadLines(Path.Combine(Goldens.Repository, "README.md"))
        .Where(line => line.StartsWith("./lapidary ", StringComparison.Ordinal)).Select(line => line["./lapidary ".Length..].Split(" #")[0].Trim())];

    /// <summary>Each command shown in the README, as it stands there; one that talks is told nothing.</summary>
    [Theory, MemberData(nameof(ReadmeCommands))]
    public void A_command_in_the_README_works(string line)
    {
        using CheckpointFolder folder = new();
        string[] arguments = [.. Regex.Matches(line, "\"([^\"]*)\"|(\\S+)")
            .Select(word => word.Groups[1].Success ? word.Groups[1].Value : word.Groups[2].Value)
            .SelectMany(word => word == "tests/goldens/*/" ? Directory.GetDirectories(Path.Combine(Goldens.Repository, "tests/goldens"))
                : word.StartsWith("artifacts/", StringComparison.Ordinal) ? [folder["out"]]
                : word.Contains('.') || word.Contains('/') ? [Path.Combine(Goldens.Repository, word)] : [word])];
        if (arguments[0] == "serve")
        {
            Assert.Contains("gemma4-tiny", LapidaryProcess.RunUntil("ready: ", [.. arguments, "--port", "0"]));
            return;
        }
        CommandResult result = LapidaryProcess.Run(arguments);
        Assert.True(result.ExitCode == 0, result.Error);
        if (arguments[0] != "chat") Assert.NotEmpty(result.Output);
    }

    private static JsonNode RunJson(params string[] arguments)
    {
        CommandResult result = LapidaryProcess.Run(arguments);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        return JsonNode.Parse(result.Output)!;
    }
}
