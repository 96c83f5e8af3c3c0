using System.Text.Json.Nodes;

namespace Lapidary.Server.Tests;

/// <summary>Which chat requests are refused, with which param, and which are answered.</summary>
public sealed class ChatRequestTests(Server server)
{
    private const string Path = "/v1/chat/completions";

    public static TheoryData<int, string?, string> Refused => CaseFile.Refusals("refused-chat.txt");

    public static TheoryData<string> Accepted => [.. CaseFile.Lines("accepted-chat.txt")];

    [Theory, MemberData(nameof(Refused))]
    public async Task A_bad_request_is_refused_and_its_fault_named(int status, string? param, string body)
        => (await server.Client.Post(Path, CaseFile.Body(body))).AssertError(status, param);

    [Theory, MemberData(nameof(Accepted))]
    public async Task A_good_request_is_answered(string body)
    {
        JsonObject request = JsonNode.Parse(CaseFile.Body(body))!.AsObject();
        if (request["max_completion_tokens"] is null && request["max_tokens"] is null) request["max_tokens"] = 3;
        Answer answer = await server.Client.Post(Path, request.ToJsonString());
        Assert.True(answer.Status == 200, answer.Body);
        JsonNode json = answer.Json;
        Assert.Equal("chat.completion", json["object"]!.GetValue<string>());
        Assert.StartsWith("chatcmpl-", json["id"]!.GetValue<string>());
        Assert.Equal(request["model"]?.GetValue<string>() ?? Server.ModelName, json["model"]!.GetValue<string>());
        Assert.Equal(request["n"]?.GetValue<int>() ?? 1, json["choices"]!.AsArray().Count);
        Assert.All(json["choices"]!.AsArray(), (choice, index) =>
        {
            Assert.Equal(index, choice!["index"]!.GetValue<int>());
            Assert.Equal("assistant", choice["message"]!["role"]!.GetValue<string>());
            Assert.Contains(choice["finish_reason"]!.GetValue<string>(), (string[])["stop", "length", "tool_calls"]);
        });
        JsonNode usage = json["usage"]!;
        Assert.Equal(usage["total_tokens"]!.GetValue<int>(), usage["prompt_tokens"]!.GetValue<int>() + usage["completion_tokens"]!.GetValue<int>());
        Assert.InRange(usage["completion_tokens"]!.GetValue<int>(), 1, 3 * json["choices"]!.AsArray().Count);
    }
}
