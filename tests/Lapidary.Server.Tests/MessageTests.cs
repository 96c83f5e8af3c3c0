using System.Text.Json.Nodes;

namespace Lapidary.Server.Tests;

/// <summary>Anthropic's /v1/messages: which requests are refused, the form of answers and of streams.</summary>
public sealed class MessageTests(Server server)
{
    private const string Path = "/v1/messages";

    public static TheoryData<int, string?, string> Refused => CaseFile.Refusals("refused-messages.txt");

    public static TheoryData<string> Accepted => [.. CaseFile.Lines("accepted-messages.txt")];

    [Theory, MemberData(nameof(Refused))]
    public async Task A_bad_request_is_refused_and_its_fault_named(int status, string? param, string body)
    {
        Answer answer = await server.Client.Post(Path, body);
        answer.AssertError(status, param);
        Assert.Equal("error", answer.Json["type"]!.GetValue<string>()); // where Anthropic's clients look
        Assert.Equal(answer.Headers.GetValues("X-Request-Id").Single(), answer.Json["request_id"]!.GetValue<string>());
        Assert.Equal(answer.Headers.GetValues("X-Request-Id"), answer.Headers.GetValues("request-id"));
    }

    [Theory, MemberData(nameof(Accepted))]
    public async Task A_good_request_is_answered(string body)
    {
        JsonObject request = JsonNode.Parse(body)!.AsObject();
        request["model"] = Server.ModelName;
        request["max_tokens"] ??= 3;
        Answer answer = await server.Client.Post(Path, request.ToJsonString());
        Assert.True(answer.Status == 200, answer.Body);
        Assert.Equal(("message", "assistant"), (answer.Json["type"]!.GetValue<string>(), answer.Json["role"]!.GetValue<string>()));
        Assert.Contains(answer.Json["stop_reason"]!.GetValue<string>(), (string[])["end_turn", "max_tokens", "stop_sequence", "tool_use"]);
        request.Remove("stream");
        foreach (string other in (string[])["max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier"]) request.Remove(other);
        if (request["thinking"]?["type"]!.GetValue<string>() == "enabled") request["thinking"]!.AsObject()["budget_tokens"] = 1024;
        Answer count = await server.Client.Post("/v1/messages/count_tokens", request.ToJsonString());
        Assert.Equal(answer.Json["usage"]!["input_tokens"]!.GetValue<int>() + answer.Json["usage"]!["cache_read_input_tokens"]!.GetValue<int>(), count.Json["input_tokens"]!.GetValue<int>());
    }

    [Fact]
    public async Task A_stop_sequence_is_named()
    {
        JsonNode message = (await server.Client.Post(Path, """{"model":"gemma4-tiny","max_tokens":50,"temperature":0,"stop_sequences":["time"],"messages":[{"role":"user","content":"Write a story about a cat."}]}""")).Json;
        Assert.Equal(("stop_sequence", "time"), (message["stop_reason"]!.GetValue<string>(), message["stop_sequence"]!.GetValue<string>()));
        Assert.Equal("Once upon a ", message["content"]![0]!["text"]!.GetValue<string>());
    }

    [Fact]
    public async Task The_models_turn_can_be_begun_for_it()
    {
        JsonNode message = (await server.Client.Post(Path, """{"model":"gemma4-tiny","max_tokens":3,"temperature":0,"messages":[{"role":"user","content":"Write a story about a cat."},{"role":"assistant","content":"Once upon"}]}""")).Json;
        Assert.StartsWith(" a time", message["content"]![0]!["text"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("""{"max_tokens":100,"temperature":0,"messages":[{"role":"user","content":"What is 7 + 8?"}],"model":"gemma4-tiny"}""")]
    [InlineData("""{"max_tokens":1100,"temperature":0,"thinking":{"type":"enabled","budget_tokens":1024},"messages":[{"role":"user","content":"What is 7 + 8?"}],"model":"gemma4-tiny"}""")]
    [InlineData("""{"max_tokens":100,"temperature":0,"messages":[{"role":"user","content":"What is the weather in Paris?"}],"tools":[{"name":"get_weather","description":"Gets the weather of a city.","input_schema":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}],"model":"gemma4-tiny"}""")]
    [InlineData("""{"max_tokens":5,"temperature":0,"messages":[{"role":"user","content":"Write a story about a cat."}],"model":"gemma4-tiny"}""")]
    public async Task A_stream_says_what_the_whole_answer_says(string body)
    {
        JsonNode whole = (await server.Client.Post(Path, body)).Json;
        Sse stream = await Sse.Post(server.Client, Path, body.Replace("{\"max_tokens\"", "{\"stream\":true,\"max_tokens\"", StringComparison.Ordinal));
        Assert.All(stream.Events, e => Assert.Equal(e.Name, e.Data["type"]!.GetValue<string>()));
        Assert.Equal("message_start", stream.Events[0].Name);
        Assert.Empty(stream.Events[0].Data["message"]!["content"]!.AsArray());
        Assert.Equal("""{"type":"ping"}""", stream.Events[1].Data.ToJsonString());
        Assert.Equal(["message_delta", "message_stop"], stream.Events.TakeLast(2).Select(e => e.Name!));
        Assert.Equal(whole["stop_reason"]!.GetValue<string>(), stream.Events[^2].Data["delta"]!["stop_reason"]!.GetValue<string>());
        Assert.Equal(whole["usage"]!["output_tokens"]!.GetValue<int>(), stream.Events[^2].Data["usage"]!["output_tokens"]!.GetValue<int>());
        JsonArray content = whole["content"]!.AsArray();
        for (int index = 0; index < content.Count; index++)
        {
            JsonNode block = content[index]!;
            (string? Name, JsonNode Data)[] events = [.. stream.Events.Where(e => e.Data["index"]?.GetValue<int>() == index)];
            Assert.Equal("content_block_start", events[0].Name);
            Assert.Equal(block["type"]!.GetValue<string>(), events[0].Data["content_block"]!["type"]!.GetValue<string>());
            Assert.Equal("content_block_stop", events[^1].Name);
            string Joined(string member) => string.Concat(events[1..^1].Select(e => e.Data["delta"]![member]!.GetValue<string>()));
            if (block["text"] is { } text) Assert.Equal(text.GetValue<string>(), Joined("text"));
            if (block["thinking"] is { } thinking) Assert.Equal(thinking.GetValue<string>(), Joined("thinking"));
            if (block["input"] is { } input) Assert.True(JsonNode.DeepEquals(input, JsonNode.Parse(Joined("partial_json"))));
        }
    }
}
