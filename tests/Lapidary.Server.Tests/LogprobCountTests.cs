using System.Text.Json.Nodes;

namespace Lapidary.Server.Tests;

/// <summary>--max-logprobs: how many alternatives of a token a request may ask for.</summary>
public sealed class LogprobCountTests
{
    private const string Chat = "/v1/chat/completions", Completions = "/v1/completions";
    private const int VocabSize = 6144;

    [Fact]
    public async Task Without_a_bound_minus_one_asks_for_every_token()
    {
        await using Server server = new() { MaxLogprobs = -1 };
        await server.InitializeAsync();
        JsonNode chat = (await server.Client.Post(Chat, """{"messages":[{"role":"user","content":"Hello"}],"max_tokens":2,"logprobs":true,"top_logprobs":-1}""")).Json;
        foreach (JsonNode? token in chat["choices"]![0]!["logprobs"]!["content"]!.AsArray())
        {
            double[] all = [.. token!["top_logprobs"]!.AsArray().Select(top => top!["logprob"]!.GetValue<double>())];
            Assert.Equal(VocabSize, all.Length);
            Assert.Equal(1, all.Sum(Math.Exp), 3);
            Assert.Equal(all.OrderDescending(), all);
        }
        JsonNode completion = (await server.Client.Post(Completions, """{"prompt":"Once upon","max_tokens":1,"logprobs":30,"prompt_logprobs":-1}""")).Json["choices"]![0]!;
        Assert.InRange(completion["logprobs"]!["top_logprobs"]![0]!.AsObject().Count, 30, 31);
        Assert.Equal(VocabSize, completion["prompt_logprobs"]![1]!.AsObject().Count);
        JsonNode response = (await server.Client.Post("/v1/responses", """{"input":"Hello","max_output_tokens":1,"include":["message.output_text.logprobs"],"top_logprobs":-1}""")).Json;
        Assert.Equal(VocabSize, response["output"]![0]!["content"]![0]!["logprobs"]![0]!["top_logprobs"]!.AsArray().Count);
        (await server.Client.Post(Chat, """{"messages":[{"role":"user","content":"Hello"}],"top_logprobs":-1}""")).AssertError(400, "top_logprobs"); // needs logprobs
        (await server.Client.Post(Completions, """{"prompt":"a","logprobs":-2}""")).AssertError(400, "logprobs");
        (await server.Client.Post(Completions, """{"prompt":"a","logprobs":6145}""")).AssertError(400, "logprobs");
    }

    [Fact]
    public async Task The_operator_sets_the_bound()
    {
        await using Server server = new() { MaxLogprobs = 2 };
        await server.InitializeAsync();
        Assert.Equal(200, (await server.Client.Post(Completions, """{"prompt":"a","max_tokens":1,"logprobs":2}""")).Status);
        (await server.Client.Post(Completions, """{"prompt":"a","max_tokens":1,"logprobs":3}""")).AssertError(400, "logprobs");
        (await server.Client.Post(Completions, """{"prompt":"a","max_tokens":1,"prompt_logprobs":-1}""")).AssertError(400, "prompt_logprobs");
        (await server.Client.Post(Chat, """{"messages":[{"role":"user","content":"Hello"}],"logprobs":true,"top_logprobs":3}""")).AssertError(400, "top_logprobs");
    }
}
