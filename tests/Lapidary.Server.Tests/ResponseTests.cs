using System.Text.Json.Nodes;

namespace Lapidary.Server.Tests;

/// <summary>/v1/responses: which requests are refused, the form of answers and of streams.</summary>
public sealed class ResponseTests(Server server)
{
    private const string Path = "/v1/responses";

    public static TheoryData<int, string?, string> Refused => CaseFile.Refusals("refused-responses.txt");

    public static TheoryData<string> Accepted => [.. CaseFile.Lines("accepted-responses.txt")];

    [Theory, MemberData(nameof(Refused))]
    public async Task A_bad_request_is_refused_and_its_fault_named(int status, string? param, string body)
        => (await server.Client.Post(Path, CaseFile.Body(body))).AssertError(status, param);

    [Theory, MemberData(nameof(Accepted))]
    public async Task A_good_request_is_answered(string body)
    {
        JsonObject request = JsonNode.Parse(body)!.AsObject();
        request["max_output_tokens"] = 3;
        Answer answer = await server.Client.Post(Path, request.ToJsonString());
        Assert.True(answer.Status == 200, answer.Body);
        Assert.Equal("response", answer.Json["object"]!.GetValue<string>());
        Assert.Contains(answer.Json["status"]!.GetValue<string>(), (string[])["completed", "incomplete"]);
        Assert.InRange(answer.Json["usage"]!["output_tokens"]!.GetValue<int>(), 1, 3);
    }

    [Fact]
    public async Task An_answer_that_is_cut_off_is_incomplete_and_says_why()
    {
        JsonNode response = (await server.Client.Post(Path, """{"input":"Write a story about a cat.","max_output_tokens":4,"temperature":0}""")).Json;
        Assert.Equal("incomplete", response["status"]!.GetValue<string>());
        Assert.Equal("max_output_tokens", response["incomplete_details"]!["reason"]!.GetValue<string>());
        Assert.Equal("Once upon a time", response["output"]![0]!["content"]![0]!["text"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("""{"input":"What is 7 + 8?","temperature":0}"""), InlineData("""{"input":"What is 7 + 8?","temperature":0,"reasoning":{"effort":"high"}}""")]
    [InlineData("""{"input":"What is the weather in Paris?","temperature":0,"tools":[{"type":"function","name":"get_weather","description":"Gets the weather of a city.","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}]}""")]
    public async Task A_stream_ends_with_what_the_whole_answer_says(string body)
    {
        JsonNode whole = (await server.Client.Post(Path, body)).Json;
        Sse stream = await Sse.Post(server.Client, Path, body.Replace("{\"input\"", "{\"stream\":true,\"input\"", StringComparison.Ordinal));
        Assert.False(stream.Done); // OpenAI ends these streams with an event, not with [DONE]
        Assert.All(stream.Events, (e, index) =>
        {
            Assert.Equal(e.Name, e.Data["type"]!.GetValue<string>());
            Assert.Equal(index, e.Data["sequence_number"]!.GetValue<int>());
        });
        Assert.Equal(["response.created", "response.in_progress"], stream.Events.Take(2).Select(e => e.Name!));
        Assert.Equal("response.completed", stream.Events[^1].Name);
        Assert.Equal(WithoutIds(whole["output"]!), WithoutIds(stream.Events[^1].Data["response"]!["output"]!));
        foreach (JsonNode? item in stream.Events[^1].Data["response"]!["output"]!.AsArray())
        {
            string id = item!["id"]!.GetValue<string>();
            string deltas = string.Concat(stream.Events.Where(e => e.Name!.EndsWith(".delta", StringComparison.Ordinal) && e.Data["item_id"]!.GetValue<string>() == id).Select(e => e.Data["delta"]!.GetValue<string>()));
            Assert.Equal(item["arguments"]?.GetValue<string>() ?? item["content"]![0]!["text"]!.GetValue<string>(), deltas);
        }
        string[] names = [.. stream.Events.Select(e => e.Name!)];
        Assert.Equal(names.Count(n => n == "response.output_item.added"), names.Count(n => n == "response.output_item.done"));
        Assert.Equal(whole["output"]!.AsArray().Count, names.Count(n => n == "response.output_item.done"));
    }

    [Theory, InlineData(8, "incomplete"), InlineData(100, "completed")]
    public async Task A_call_that_is_cut_off_is_incomplete(int tokens, string status)
    {
        string body = $$$"""{"input":"What is the weather in Paris?","temperature":0,"max_output_tokens":{{{tokens}}},"tools":[{"type":"function","name":"get_weather","description":"Gets the weather of a city.","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}]}""";
        JsonNode call = (await server.Client.Post(Path, body)).Json["output"]![0]!;
        Assert.Equal(("function_call", status), (call["type"]!.GetValue<string>(), call["status"]!.GetValue<string>()));
        Assert.Equal(status == "completed" ? "{\"city\":\"Paris\"}" : "{", call["arguments"]!.GetValue<string>());
        Sse stream = await Sse.Post(server.Client, Path, $"{{\"stream\":true,{body[1..]}");
        Assert.Equal(status, stream.Events.Single(e => e.Name == "response.output_item.done").Data["item"]!["status"]!.GetValue<string>());
    }

    private static string WithoutIds(JsonNode output)
    {
        JsonArray copy = output.DeepClone().AsArray();
        foreach (JsonNode? item in copy)
        {
            item!.AsObject().Remove("id");
            item.AsObject().Remove("call_id");
        }
        return copy.ToJsonString();
    }
}
