using System.Text.Json.Nodes;

namespace Lapidary.Server.Tests;

/// <summary>The form of streamed chats, as OpenAI's clients read it, and that they say what the whole answer says.</summary>
public sealed class ChatStreamTests(Server server)
{
    private const string Path = "/v1/chat/completions";
    private const string Story = "\"messages\":[{\"role\":\"user\",\"content\":\"Write a story about a cat named Tom.\"}],\"max_tokens\":30";

    private const string Greedy = "\"temperature\":0", Streamed = "\"stream\":true", WithUsage = "\"stream_options\":{\"include_usage\":true}";

    private static string Object(params string[] members) => $"{{{string.Join(',', members)}}}";

    public static TheoryData<string> Variations =>
    [
        "\"temperature\":0", "\"seed\":7", "\"seed\":7,\"n\":3", "\"temperature\":0,\"stop\":\"cat\"", "\"temperature\":0,\"stop\":[\" time, th\",\"zzz\"]", "\"seed\":3,\"temperature\":1.9,\"top_k\":0,\"top_p\":1",
        "\"temperature\":0,\"logprobs\":true,\"top_logprobs\":3", "\"temperature\":0,\"reasoning_effort\":\"high\"", "\"temperature\":0,\"min_tokens\":30,\"ignore_eos\":true", "\"temperature\":0,\"stop\":\"time\",\"include_stop_str_in_output\":true",
    ];

    [Theory, MemberData(nameof(Variations))]
    public async Task A_stream_says_what_the_whole_answer_says(string variation)
    {
        JsonNode whole = (await server.Client.Post(Path, Object(Story, variation))).Json;
        Sse stream = await Sse.Post(server.Client, Path, Object(Story, variation, Streamed, WithUsage));
        foreach (JsonNode? choice in whole["choices"]!.AsArray())
        {
            int index = choice!["index"]!.GetValue<int>();
            Assert.Equal(choice["message"]!["content"]!.GetValue<string>(), stream.Content(index));
            Assert.Equal(choice["message"]!["reasoning_content"]?.GetValue<string>() ?? "", string.Concat(stream.Choices(index).Select(c => c["delta"]!["reasoning_content"]?.GetValue<string>())));
            Assert.Equal(choice["finish_reason"]!.GetValue<string>(), stream.Choices(index).Last()["finish_reason"]!.GetValue<string>());
            Assert.Equal(choice["stop_reason"]?.ToJsonString(), stream.Choices(index).Last()["stop_reason"]?.ToJsonString());
            if (choice["logprobs"] is { } logprobs)
                Assert.Equal(logprobs["content"]!.AsArray().Select(t => t!.ToJsonString()), stream.Choices(index).SelectMany(c => c["logprobs"]?["content"]?.AsArray() ?? []).Select(t => t!.ToJsonString()));
        }
        Assert.Equal(Usage(whole), Usage(stream.Data.Last()));

        // The second one may find the prompt cached.
        static string Usage(JsonNode answer)
        {
            JsonObject usage = answer["usage"]!.DeepClone().AsObject();
            Assert.True(usage.Remove("prompt_tokens_details"));
            return usage.ToJsonString();
        }
    }

    [Theory, MemberData(nameof(Variations))]
    public async Task Chunks_have_the_form_that_clients_expect(string variation)
    {
        Sse stream = await Sse.Post(server.Client, Path, Object(Story, variation, Streamed));
        Assert.True(stream.Done);
        Assert.Single(stream.Data.Select(chunk => (chunk["id"]!.GetValue<string>(), chunk["created"]!.GetValue<long>(), chunk["model"]!.GetValue<string>(), chunk["object"]!.GetValue<string>())).Distinct());
        Assert.Equal("chat.completion.chunk", stream.Data.First()["object"]!.GetValue<string>());
        Assert.All(stream.Data, chunk => Assert.Null(chunk["usage"]));
        Assert.All(stream.Data, chunk => Assert.Single(chunk["choices"]!.AsArray()));
        foreach (int index in stream.Data.Select(chunk => chunk["choices"]![0]!["index"]!.GetValue<int>()).Distinct())
        {
            JsonNode[] chunks = [.. stream.Choices(index)];
            Assert.Equal(("assistant", ""), (chunks[0]["delta"]!["role"]!.GetValue<string>(), chunks[0]["delta"]!["content"]!.GetValue<string>()));
            Assert.All(chunks[1..], chunk => Assert.Null(chunk["delta"]!["role"]));
            Assert.All(chunks[..^1], chunk => Assert.Null(chunk["finish_reason"]));
            Assert.All(chunks, chunk => Assert.True(chunk.AsObject().ContainsKey("finish_reason")));
            Assert.NotNull(chunks[^1]["finish_reason"]);
            Assert.Empty(chunks[^1]["delta"]!.AsObject());
        }
    }

    [Fact]
    public async Task Usage_comes_last_and_alone()
    {
        Sse stream = await Sse.Post(server.Client, Path, Object(Story, Streamed, WithUsage));
        JsonNode[] chunks = [.. stream.Data];
        Assert.Empty(chunks[^1]["choices"]!.AsArray());
        Assert.Equal(30, chunks[^1]["usage"]!["completion_tokens"]!.GetValue<int>());
        Assert.All(chunks[..^1], chunk => Assert.Null(chunk["usage"]));
    }

    [Fact]
    public async Task Usage_comes_with_every_chunk_on_wish()
    {
        Sse stream = await Sse.Post(server.Client, Path, Object(Story, Streamed, "\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":true}"));
        int[] tokens = [.. stream.Data.Select(chunk => chunk["usage"]!["completion_tokens"]!.GetValue<int>())];
        Assert.Equal(tokens.Order(), tokens);
        Assert.Equal((0, 30), (tokens[0], tokens[^1]));
        foreach (string path in (string[])[Path, "/v1/completions"])
        {
            string body = path == Path ? Story : "\"prompt\":\"Once upon a time\"";
            Sse without = await Sse.Post(server.Client, path, Object(body, Streamed, "\"stream_options\":{\"include_usage\":false,\"continuous_usage_stats\":true}"));
            Assert.All(without.Data, chunk => Assert.Null(chunk["usage"]));
        }
    }

    [Theory]
    [InlineData("time"), InlineData("Once upon a time"), InlineData(" upon a"), InlineData("n a t")]
    public async Task No_part_of_a_stop_text_leaks(string stop)
    {
        Sse stream = await Sse.Post(server.Client, Path, Object(Story, Greedy, $"\"stop\":\"{stop}\"", Streamed));
        string unstopped = (await server.Client.Post(Path, Object(Story, Greedy))).Json["choices"]![0]!["message"]!["content"]!.GetValue<string>();
        Assert.Equal(unstopped[..unstopped.IndexOf(stop, StringComparison.Ordinal)], stream.Content());
        Assert.Equal("stop", stream.Choices(0).Last()["finish_reason"]!.GetValue<string>());
        Assert.Equal(stop, stream.Choices(0).Last()["stop_reason"]!.GetValue<string>());
    }

    [Fact]
    public async Task An_error_before_the_first_token_is_a_plain_error()
        => (await server.Client.Post(Path, """{"messages":[{"role":"user","content":"a"}],"stream":true,"max_tokens":5000}""")).AssertError(400, "max_tokens", "context_length_exceeded");

    [Fact]
    public async Task Completions_are_streamed_in_their_older_form()
    {
        const string body = "\"prompt\":\"Once upon a time\",\"max_tokens\":12,\"temperature\":0,\"echo\":true,\"logprobs\":2";
        JsonNode whole = (await server.Client.Post("/v1/completions", Object(body))).Json;
        Sse stream = await Sse.Post(server.Client, "/v1/completions", Object(body, Streamed, WithUsage));
        Assert.True(stream.Done);
        JsonNode choice = whole["choices"]![0]!;
        Assert.Equal(choice["text"]!.GetValue<string>(), string.Concat(stream.Choices(0).Select(c => c["text"]!.GetValue<string>())));
        foreach (string list in (string[])["tokens", "token_logprobs", "top_logprobs", "text_offset"])
            Assert.Equal(choice["logprobs"]![list]!.AsArray().Select(t => t?.ToJsonString()), stream.Choices(0).SelectMany(c => c["logprobs"]![list]!.AsArray()).Select(t => t?.ToJsonString()));
        Assert.Equal(whole["usage"]!.ToJsonString(), stream.Data.Last()["usage"]!.ToJsonString());
        Assert.Equal("text_completion", stream.Data.First()["object"]!.GetValue<string>());
    }

    [Fact]
    public async Task The_tokens_of_the_prompt_come_once_and_first()
    {
        const string completion = "\"prompt\":[[2,300],[2,301,302]],\"n\":2,\"max_tokens\":3";
        Sse stream = await Sse.Post(server.Client, "/v1/completions", Object(completion, Streamed, "\"return_token_ids\":true"));
        for (int index = 0; index < 4; index++)
        {
            JsonNode[] chunks = [.. stream.Choices(index)];
            Assert.Equal(index < 2 ? "[2,300]" : "[2,301,302]", chunks[0]["prompt_token_ids"]!.ToJsonString());
            Assert.All(chunks[1..], chunk => Assert.Null(chunk["prompt_token_ids"]));
        }

        JsonNode whole = (await server.Client.Post(Path, Object(Story, Greedy, "\"return_token_ids\":true"))).Json;
        JsonNode[] events = [.. (await Sse.Post(server.Client, Path, Object(Story, Greedy, Streamed, "\"return_token_ids\":true"))).Data];
        Assert.Equal(whole["prompt_token_ids"]!.ToJsonString(), events[0]["prompt_token_ids"]!.ToJsonString());
        Assert.All(events[1..], chunk => Assert.Null(chunk["prompt_token_ids"]));
    }

    /// <summary>Clients in languages without optional members read it from every choice.</summary>
    [Theory, InlineData(Path, Story), InlineData("/v1/completions", "\"prompt\":\"Once upon a time\"")]
    public async Task Every_choice_has_a_stop_reason_if_only_null(string path, string body)
    {
        JsonNode whole = (await server.Client.Post(path, Object(body))).Json;
        Assert.All(whole["choices"]!.AsArray(), choice => Assert.True(choice!.AsObject().ContainsKey("stop_reason")));
        Assert.All((await Sse.Post(server.Client, path, Object(body, Streamed))).Choices(0), choice => Assert.True(choice.AsObject().ContainsKey("stop_reason")));
    }

    [Fact]
    public async Task The_service_tier_is_told_to_those_who_ask_for_one()
    {
        Assert.False((await server.Client.Post(Path, Object(Story))).Json.AsObject().ContainsKey("service_tier"));
        Assert.Equal("default", (await server.Client.Post(Path, Object(Story, "\"service_tier\":\"auto\""))).Json["service_tier"]!.GetValue<string>());
        Assert.All((await Sse.Post(server.Client, Path, Object(Story, Streamed, WithUsage, "\"service_tier\":\"flex\""))).Data, chunk => Assert.Equal("default", chunk["service_tier"]!.GetValue<string>()));
    }

    [Fact]
    public async Task Several_prompts_are_streamed_side_by_side()
    {
        const string body = "\"prompt\":[\"Once upon a time\",\"The dog\"],\"n\":2,\"max_tokens\":6,\"seed\":1";
        JsonNode whole = (await server.Client.Post("/v1/completions", Object(body))).Json;
        Sse stream = await Sse.Post(server.Client, "/v1/completions", Object(body, Streamed));
        for (int index = 0; index < 4; index++)
        {
            Assert.Equal(whole["choices"]![index]!["text"]!.GetValue<string>(), string.Concat(stream.Choices(index).Select(c => c["text"]!.GetValue<string>())));
            Assert.Single(stream.Choices(index), c => c["finish_reason"] is not null);
        }
    }
}
