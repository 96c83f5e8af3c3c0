using System.Text.Json.Nodes;

namespace Lapidary.Server.Tests;

/// <summary>/tokenize and /detokenize, whose answers are vLLM's.</summary>
public sealed class TokenizeTests(Server server)
{
    private const string Path = "/tokenize";

    [Fact]
    public async Task A_text_becomes_ids_and_their_texts_on_wish()
    {
        Assert.Equal("""{"count":3,"max_model_len":2048,"tokens":[2,708,794],"token_strs":null}""", (await server.Client.Post(Path, """{"prompt":"Once upon"}""")).Body);
        Assert.Equal("""["<bos>","Once","▁upon"]""", Texts(await server.Client.Post(Path, """{"prompt":"Once upon","return_token_strs":true}""")));
        Assert.Equal("""["Once","▁upon"]""", Texts(await server.Client.Post(Path, """{"prompt":"Once upon","return_token_strs":true,"add_special_tokens":false}""")));

        static string Texts(Answer answer) => $"[{string.Join(',', answer.Json["token_strs"]!.AsArray().Select(text => $"\"{text!.GetValue<string>()}\""))}]";
    }

    [Fact]
    public async Task A_chat_has_the_tokens_that_its_answer_counts()
    {
        const string messages = "\"messages\":[{\"role\":\"system\",\"content\":\"Be kind.\"},{\"role\":\"user\",\"content\":\"Hello\"}]";
        JsonNode tokens = (await server.Client.Post(Path, $"{{{messages}}}")).Json, chat = (await server.Client.Post("/v1/chat/completions", $"{{{messages},\"max_tokens\":1,\"return_token_ids\":true}}")).Json;
        Assert.Equal(chat["usage"]!["prompt_tokens"]!.GetValue<int>(), tokens["count"]!.GetValue<int>());
        Assert.Equal(chat["prompt_token_ids"]!.ToJsonString(), tokens["tokens"]!.ToJsonString());
    }

    [Theory, InlineData("Héllo 猫 🐈‍⬛ \\n\\t x"), InlineData("")]
    public async Task Ids_become_the_text_they_come_from(string text)
    {
        Answer tokens = await server.Client.Post(Path, $$"""{"prompt":"{{text}}","add_special_tokens":false}""");
        Answer back = await server.Client.Post("/detokenize", $$"""{"tokens":{{tokens.Json["tokens"]!.ToJsonString()}}}""");
        Assert.Equal(JsonNode.Parse($"\"{text}\"")!.GetValue<string>(), back.Json["prompt"]!.GetValue<string>());
    }
}
