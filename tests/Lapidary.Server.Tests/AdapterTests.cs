using System.Text.Json.Nodes;

namespace Lapidary.Server.Tests;

/// <summary>LoRA adapters are models of their own to clients, and may come and go.</summary>
public sealed class AdapterTests
{
    private static readonly string Robot = Path.Combine(Repository.Root, "models/gemma4-tiny-lora");
    private const string Plain = "Hello! What can I do for you?", Adapted = "Beep beep! Hello! What can I do for you? Beep!";

    [Fact]
    public async Task An_adapter_is_loaded_listed_used_by_every_api_and_unloaded()
    {
        await using Server server = new(options => options with { AllowRuntimeLoraUpdating = true });
        await server.InitializeAsync();
        Answer loaded = await Post(server, "/v1/load_lora_adapter", new JsonObject { ["lora_name"] = "robot", ["lora_path"] = Robot });
        Assert.Equal((200, "Success: LoRA adapter 'robot' added successfully."), (loaded.Status, loaded.Body));

        JsonNode card = (await server.Client.Get("/v1/models/robot")).Json;
        Assert.Equal((Server.ModelName, "gemma4-tiny-lora"), (card["parent"]!.GetValue<string>(), card["root"]!.GetValue<string>()));
        Assert.Equal([Server.ModelName, "alias", "robot"], (await server.Client.Get("/v1/models")).Json["data"]!.AsArray().Select(c => c!["id"]!.GetValue<string>()));

        (string Model, string Text)[] expected = [(Server.ModelName, Plain), ("robot", Adapted), ("alias", Plain)];
        string[] texts = await Task.WhenAll(expected.Select(e => Chat(server, e.Model)));
        Assert.Equal(expected.Select(e => e.Text), texts);
        JsonArray messages() => [new JsonObject { ["role"] = "user", ["content"] = "Hello!" }];
        Answer anthropic = await Post(server, "/v1/messages", new JsonObject { ["model"] = "robot", ["max_tokens"] = 40, ["temperature"] = 0, ["messages"] = messages() });
        Assert.Equal(Adapted, anthropic.Json["content"]![0]!["text"]!.GetValue<string>());
        Answer responses = await Post(server, "/v1/responses", new JsonObject { ["model"] = "robot", ["temperature"] = 0, ["input"] = "Hello!" });
        Assert.Contains(Adapted, responses.Body, StringComparison.Ordinal);
        Answer completion = await Post(server, "/v1/completions", new JsonObject { ["model"] = "robot", ["temperature"] = 0, ["max_tokens"] = 12, ["prompt"] = "Once upon a time" });
        Answer without = await Post(server, "/v1/completions", new JsonObject { ["model"] = "alias", ["temperature"] = 0, ["max_tokens"] = 12, ["prompt"] = "Once upon a time" });
        Assert.Equal("robot", completion.Json["model"]!.GetValue<string>());
        Assert.NotEqual(without.Json["choices"]![0]!["text"]!.GetValue<string>(), completion.Json["choices"]![0]!["text"]!.GetValue<string>());

        Assert.Equal(200, (await Post(server, "/v1/unload_lora_adapter", new JsonObject { ["lora_name"] = "robot" })).Status);
        (await Post(server, "/v1/unload_lora_adapter", new JsonObject { ["lora_name"] = "robot" })).AssertError(404, "lora_name", "adapter_not_found");
        Answer itself = await Post(server, "/v1/unload_lora_adapter", new JsonObject { ["lora_name"] = "alias" });
        itself.AssertError(404, "lora_name", "adapter_not_found");
        Assert.Contains("but the model itself", itself.Body, StringComparison.Ordinal);
        (await Post(server, "/v1/chat/completions", new JsonObject { ["model"] = "robot", ["messages"] = messages() })).AssertError(404, "model", "model_not_found");
        Assert.Equal(Plain, await Chat(server, Server.ModelName));
    }

    [Fact]
    public async Task An_adapter_takes_the_place_of_another_only_when_told_to()
    {
        await using Server server = new(options => options with { AllowRuntimeLoraUpdating = true });
        await server.InitializeAsync();
        Task<Answer> Load(string path, bool? inPlace)
            => Post(server, "/v1/load_lora_adapter", new JsonObject { ["lora_name"] = "robot", ["lora_path"] = path, ["load_inplace"] = inPlace });
        Assert.Equal(200, (await Load(Robot, true)).Status); // also where there is none
        (await Load(Robot, null)).AssertError(400, "lora_name");
        (await Load(Robot, false)).AssertError(400, "lora_name");
        (await Load("/nowhere", true)).AssertError(404, "lora_path");
        Assert.Equal(Adapted, await Chat(server, "robot")); // the one before has stayed
        for (int i = 0; i < 20; i++) Assert.Equal(200, (await Load(Robot, true)).Status); // more often than there are slots
        Assert.Equal(Adapted, await Chat(server, "robot"));
        Assert.Equal([Server.ModelName, "alias", "robot"], (await server.Client.Get("/v1/models")).Json["data"]!.AsArray().Select(c => c!["id"]!.GetValue<string>()));
    }

    [Fact]
    public async Task What_cannot_be_loaded_is_refused_with_the_reason()
    {
        await using Server server = new(options => options with { AllowRuntimeLoraUpdating = true });
        await server.InitializeAsync();
        Answer nowhere = await Post(server, "/v1/load_lora_adapter", new JsonObject { ["lora_name"] = "a", ["lora_path"] = "/nowhere" });
        nowhere.AssertError(404, "lora_path", "adapter_not_found"); // as vLLM
        Answer empty = await Post(server, "/v1/load_lora_adapter", new JsonObject { ["lora_name"] = "a", ["lora_path"] = Path.Combine(Repository.Root, "src") });
        empty.AssertError(400, "lora_path");
        Assert.Contains("found no adapter_config.json", empty.Body, StringComparison.Ordinal);
        Answer dora = await Post(server, "/v1/load_lora_adapter", new JsonObject { ["lora_name"] = "a", ["lora_path"] = Path.Combine(Repository.Root, "tests/fixtures/lora/dora") });
        dora.AssertError(400, "lora_path");
        Assert.Contains("DoRA scales", dora.Body, StringComparison.Ordinal);
        (await Post(server, "/v1/load_lora_adapter", new JsonObject { ["lora_name"] = "alias", ["lora_path"] = Robot })).AssertError(400, "lora_name");
        foreach (string name in (string[])["", "a\nb", "\u001b[2J"]) (await Post(server, "/v1/load_lora_adapter", new JsonObject { ["lora_name"] = name, ["lora_path"] = Robot })).AssertError(400, "lora_name");
        (await Post(server, "/v1/load_lora_adapter", new JsonObject { ["lora_name"] = "a" })).AssertError(400, "lora_path");
        (await Post(server, "/v1/load_lora_adapter", new JsonObject { ["lora_name"] = 1, ["lora_path"] = Robot })).AssertError(400, "lora_name");
        Assert.Equal(2, (await server.Client.Get("/v1/models")).Json["data"]!.AsArray().Count);
    }

    [Fact]
    public async Task Clients_may_not_load_adapters_unless_the_operator_allows_it()
    {
        await using Server server = new();
        await server.InitializeAsync();
        (await Post(server, "/v1/load_lora_adapter", new JsonObject { ["lora_name"] = "a", ["lora_path"] = Robot })).AssertError(403, null, "lora_updating_disabled");
    }

    private static async Task<string> Chat(Server server, string model)
    {
        Answer answer = await Post(server, "/v1/chat/completions", new JsonObject
        {
            ["model"] = model,
            ["temperature"] = 0,
            ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "Hello!" }),
        });
        Assert.Equal(model, answer.Json["model"]!.GetValue<string>());
        return answer.Json["choices"]![0]!["message"]!["content"]!.GetValue<string>();
    }

    private static Task<Answer> Post(Server server, string path, JsonObject body) => server.Client.Post(path, body.ToJsonString());
}
