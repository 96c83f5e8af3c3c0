using System.Text.Json.Nodes;

namespace Lapidary.Server.Tests;

/// <summary>A model without a chat template, and one without a tokenizer: what they can do they do, the rest is refused with the reason.</summary>
public sealed class BareModelTests
{
    private const string Messages = "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]";

    private static async Task With(Func<Server, Task> test, params string[] missing)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("lapidary-");
        try
        {
            foreach (string file in Directory.GetFiles(Lapidary.Models.DefaultModel.Locate()))
                if (!missing.Contains(Path.GetFileName(file))) File.CreateSymbolicLink(Path.Combine(folder.FullName, Path.GetFileName(file)), file);
            await using Server server = new() { Folder = folder.FullName };
            await server.InitializeAsync();
            await test(server);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task AssertNoChats(Server server)
    {
        foreach ((string path, string body) in new (string, string)[]
        {
            ("/v1/chat/completions", $"{{{Messages}}}"), ("/v1/responses", "{\"input\":\"a\"}"), ("/v1/messages", $"{{\"model\":\"{Server.ModelName}\",\"max_tokens\":1,{Messages}}}"),
            ("/v1/messages/count_tokens", $"{{\"model\":\"{Server.ModelName}\",{Messages}}}"), ("/tokenize", $"{{{Messages}}}"),
        })
        {
            Answer answer = await server.Client.Post(path, body);
            answer.AssertError(400, null, "no_chat_template");
            Assert.DoesNotContain("/tmp", answer.Body, StringComparison.Ordinal); // where the model lies is nobody's business
        }
    }

    [Fact]
    public Task Without_a_template_text_is_completed_and_chats_are_refused() => With(async server =>
    {
        await AssertNoChats(server);
        Assert.NotEmpty((await server.Client.Post("/v1/completions", """{"prompt":"Once","max_tokens":3}""")).Json["choices"]![0]!["text"]!.GetValue<string>());
    }, "chat_template.jinja");

    [Fact]
    public Task Without_a_tokenizer_ids_are_completed_and_text_is_refused() => With(async server =>
    {
        await AssertNoChats(server);
        JsonNode completed = (await server.Client.Post("/v1/completions", """{"prompt":[2,1384],"max_tokens":3,"logprobs":1,"return_token_ids":true}""")).Json["choices"]![0]!;
        Assert.Equal(3, completed["token_ids"]!.AsArray().Count);
        Assert.All(completed["logprobs"]!["tokens"]!.AsArray(), token => Assert.StartsWith("token_id:", token!.GetValue<string>()));
        (await server.Client.Post("/v1/completions", """{"prompt":"a"}""")).AssertError(400, null, "no_tokenizer");
        (await server.Client.Post("/v1/completions", """{"prompt":[2],"stop":"a"}""")).AssertError(400, "stop");
        (await server.Client.Post("/v1/embeddings", """{"input":"a"}""")).AssertError(400, null, "no_tokenizer");
        (await server.Client.Post("/tokenize", """{"prompt":"a"}""")).AssertError(400, null, "no_tokenizer");
        (await server.Client.Post("/detokenize", """{"tokens":[2]}""")).AssertError(400, null, "no_tokenizer");
    }, "tokenizer.json", "chat_template.jinja", "tokenizer_config.json");
}
