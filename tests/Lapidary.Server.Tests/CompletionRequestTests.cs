using System.Globalization;
using System.Text.Json.Nodes;

namespace Lapidary.Server.Tests;

/// <summary>Which completion requests are refused, with which param, and which are answered.</summary>
public sealed class CompletionRequestTests(Server server)
{
    private const string Path = "/v1/completions";

    public static TheoryData<int, string?, string> Refused => CaseFile.Refusals("refused-completions.txt");

    public static TheoryData<string> Accepted => [.. CaseFile.Lines("accepted-completions.txt")];

    [Theory, MemberData(nameof(Refused))]
    public async Task A_bad_request_is_refused_and_its_fault_named(int status, string? param, string body)
        => (await server.Client.Post(Path, body)).AssertError(status, param);

    [Theory, MemberData(nameof(Accepted))]
    public async Task A_good_request_is_answered(string line)
    {
        string[] words = line.Split(' ', 2);
        JsonObject request = JsonNode.Parse(words[1])!.AsObject();
        request["max_tokens"] = 3;
        Answer answer = await server.Client.Post(Path, request.ToJsonString());
        Assert.True(answer.Status == 200, answer.Body);
        Assert.Equal("text_completion", answer.Json["object"]!.GetValue<string>());
        JsonArray choices = answer.Json["choices"]!.AsArray();
        Assert.Equal(Enumerable.Range(0, int.Parse(words[0], CultureInfo.InvariantCulture)), choices.Select(choice => choice!["index"]!.GetValue<int>()));
        Assert.All(choices, choice => Assert.Contains(choice!["finish_reason"]!.GetValue<string>(), (string[])["stop", "length"]));
    }
}
