using System.Text.Json.Nodes;

namespace Lapidary.Server.Tests;

/// <summary>A budget of reasoning tokens, under each API's name, whole and streamed.</summary>
public sealed class ThinkingBudgetTests(Server server)
{
    private const string Chat = "/v1/chat/completions", Sum = "\"messages\":[{\"role\":\"user\",\"content\":\"What is 3 plus 4?\"}],\"max_tokens\":80,\"temperature\":0,\"reasoning_effort\":\"high\"";
    private const int Open = 100, Close = 101; // <|channel> and <channel|>

    private static int ReasoningTokens(JsonNode answer) => answer["usage"]!["completion_tokens_details"]!["reasoning_tokens"]!.GetValue<int>();

    private static int[] Ids(JsonNode choice) => [.. choice["token_ids"]!.AsArray().Select(id => id!.GetValue<int>())];

    private async Task<JsonNode> Ask(string more)
    {
        Answer answer = await server.Client.Post(Chat, $"{{{Sum},\"return_token_ids\":true{more}}}");
        Assert.True(answer.Status == 200, answer.Body);
        return answer.Json;
    }

    [Fact]
    public async Task Without_a_budget_the_usage_counts_what_lies_between_the_markers()
    {
        JsonNode answer = await Ask("");
        int[] ids = Ids(answer["choices"]![0]!);
        Assert.Equal(Open, ids[0]);
        Assert.Equal(Array.IndexOf(ids, Close) - 1, ReasoningTokens(answer));
        Assert.InRange(ReasoningTokens(answer), 10, 40);
        foreach (string more in (string[])[",\"thinking_token_budget\":1000", ",\"thinking_token_budget\":-1", ",\"thinking_budget\":500", ",\"thinking_token_budget\":null"])
            Assert.Equal(ids, Ids((await Ask(more))["choices"]![0]!));
    }

    [Theory, InlineData("thinking_token_budget"), InlineData("thinking_budget")]
    public async Task The_reasoning_is_closed_when_the_budget_is_used_up(string name)
    {
        int[] free = Ids((await Ask(""))["choices"]![0]!);
        foreach (int budget in (int[])[0, 1, 2, 3, 7, 12])
        {
            JsonNode answer = await Ask($",\"{name}\":{budget}");
            JsonNode choice = answer["choices"]![0]!;
            int[] ids = Ids(choice);
            Assert.Equal([.. free[..(budget + 1)], Close], ids[..(budget + 2)]);
            Assert.Equal(budget, ReasoningTokens(answer));
            Assert.Equal(ids.Length, answer["usage"]!["completion_tokens"]!.GetValue<int>());
            Assert.NotEmpty(choice["message"]!["content"]!.GetValue<string>()); // it goes on with the answer
            Assert.DoesNotContain("channel", choice.ToJsonString(), StringComparison.Ordinal);
            Assert.Equal(budget > 2, choice["message"]!["reasoning_content"] is not null); // the first two are the channel's label
        }
    }

    [Fact]
    public async Task A_stream_tells_the_same()
    {
        foreach (int budget in (int[])[0, 3, 9])
        {
            JsonNode message = (await Ask($",\"thinking_token_budget\":{budget}"))["choices"]![0]!["message"]!;
            Sse stream = await Sse.Post(server.Client, Chat, $"{{{Sum},\"thinking_token_budget\":{budget},\"stream\":true,\"stream_options\":{{\"include_usage\":true}}}}");
            string reasoning = string.Concat(stream.Choices(0).Select(choice => choice["delta"]!["reasoning_content"]?.GetValue<string>()));
            Assert.Equal((message["reasoning_content"]?.GetValue<string>() ?? "", message["content"]!.GetValue<string>()), (reasoning, stream.Content()));
            Assert.Equal(budget, ReasoningTokens(stream.Data.Last()));
            Assert.True(stream.Done);
        }
    }

    /// <summary>The model writes "thought" and line ends only, since nothing else is allowed.</summary>
    [Theory, InlineData(",\"thinking_token_budget\":3", 3), InlineData(",\"thinking_token_budget\":0", 0), InlineData("", 6)]
    public async Task Reasoning_that_begins_without_its_token_is_bounded(string budget, int most)
    {
        const int thought = 577, lineEnd = 107;
        Answer answer = await server.Client.Post(Chat, $$$"""
            {"messages":[{"role":"user","content":"a"}],"reasoning_effort":"high","temperature":0,"max_tokens":8,"return_token_ids":true,"repetition_penalty":1000,
            "allowed_token_ids":[{{{thought}}},{{{lineEnd}}}],"logit_bias":{"{{{thought}}}":50,"{{{lineEnd}}}":99}{{{budget}}}}
            """);
        int[] ids = Ids(answer.Json["choices"]![0]!);
        Assert.Equal([thought, .. Enumerable.Repeat(lineEnd, most + 1)], ids[..(most + 2)]);
        if (budget.Length > 0) Assert.Equal(Close, ids[most + 2]);
        Assert.Equal((8, most), (ids.Length, ReasoningTokens(answer.Json)));
    }

    [Fact]
    public async Task Each_of_n_choices_has_the_whole_budget()
    {
        Answer answer = await server.Client.Post(Chat, """{"messages":[{"role":"user","content":"What is 3 plus 4?"}],"max_tokens":60,"seed":5,"n":8,"chat_template_kwargs":{"enable_thinking":true},"thinking_token_budget":6,"return_token_ids":true}""");
        JsonNode[] choices = [.. answer.Json["choices"]!.AsArray().Select(choice => choice!)];
        Assert.All(choices, choice => Assert.InRange(Ids(choice).SkipWhile(id => id != Open).Skip(1).TakeWhile(id => id != Close).Count(), 0, 6));
        Assert.InRange(choices.Count(choice => Ids(choice).ElementAtOrDefault(7) == Close), 4, 8);
        Assert.InRange(ReasoningTokens(answer.Json), 24, 48);
    }

    [Fact]
    public async Task A_response_and_its_usage_keep_to_it()
    {
        Answer answer = await server.Client.Post("/v1/responses", """{"input":"What is 3 plus 4?","temperature":0,"reasoning":{"effort":"high"},"thinking_token_budget":7}""");
        Assert.Equal(7, answer.Json["usage"]!["output_tokens_details"]!["reasoning_tokens"]!.GetValue<int>());
        Assert.Equal(["reasoning", "message"], answer.Json["output"]!.AsArray().Select(item => item!["type"]!.GetValue<string>()));
    }

    [Fact]
    public async Task A_message_takes_its_own_form_of_it()
    {
        const string body = "{\"model\":\"gemma4-tiny\",\"max_tokens\":1100,\"temperature\":0,\"messages\":[{\"role\":\"user\",\"content\":\"What is 3 plus 4?\"}],\"thinking\":";
        Answer answer = await server.Client.Post("/v1/messages", body + "{\"type\":\"enabled\",\"budget_tokens\":1024}}");
        Assert.Equal(["thinking", "text"], answer.Json["content"]!.AsArray().Select(block => block!["type"]!.GetValue<string>()));
        (await server.Client.Post("/v1/messages", body + "{\"type\":\"enabled\",\"budget_tokens\":1023}}")).AssertError(400, "thinking.budget_tokens");
        (await server.Client.Post("/v1/messages", body + "{\"type\":\"enabled\",\"budget_tokens\":1100}}")).AssertError(400, "thinking.budget_tokens");
    }

    [Theory]
    [InlineData("\"thinking_token_budget\":-2", "thinking_token_budget"), InlineData("\"thinking_token_budget\":1.5", "thinking_token_budget"), InlineData("\"thinking_token_budget\":true", "thinking_token_budget")]
    [InlineData("\"thinking_token_budget\":\"8\"", "thinking_token_budget"), InlineData("\"thinking_budget\":[1]", "thinking_budget"), InlineData("\"thinking_budget\":1,\"thinking_token_budget\":2", "thinking_token_budget")]
    public async Task What_is_no_budget_is_400(string member, string param)
        => (await server.Client.Post(Chat, $"{{{Sum},{member}}}")).AssertError(400, param);
}
