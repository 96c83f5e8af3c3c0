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

    /// <summary>Alone a word may be other tokens, and another number of them, than after a space.</summary>
    [Theory, InlineData("there"), InlineData("little"), InlineData("duck"), InlineData(" was")]
    public async Task A_bad_word_is_not_written_in_the_middle_of_a_text_either(string word)
    {
        const string body = "{\"prompt\":\"Once upon a time\",\"temperature\":0,\"max_tokens\":8,\"bad_words\":[WORDS]}";
        string free = (await server.Client.Post(Path, body.Replace("WORDS", ""))).Json["choices"]![0]!["text"]!.GetValue<string>();
        Assert.Contains(word, free, StringComparison.Ordinal);
        string text = (await server.Client.Post(Path, body.Replace("WORDS", $"\"{word}\""))).Json["choices"]![0]!["text"]!.GetValue<string>();
        Assert.DoesNotContain(word, text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/v1/completions", "\"prompt\":\"<|turn>user\\nWrite a story about a cat.<turn|>\\n<|turn>model\\n\"")]
    [InlineData("/v1/chat/completions", "\"messages\":[{\"role\":\"user\",\"content\":\"Write a story about a cat.\"}]")]
    public async Task A_control_token_can_be_a_bad_word(string path, string prompt)
    {
        const int endOfTurn = 106;
        string body = $"{{{prompt},\"temperature\":0,\"max_tokens\":400,\"return_token_ids\":true}}";
        Assert.Contains(endOfTurn, Ids(await server.Client.Post(path, body)));
        Assert.DoesNotContain(endOfTurn, Ids(await server.Client.Post(path, $"{{\"bad_words\":[\"<turn|>\"],{body[1..]}")));

        static IEnumerable<int> Ids(Answer answer)
        {
            Assert.True(answer.Status == 200, answer.Body);
            return answer.Json["choices"]![0]!["token_ids"]!.AsArray().Select(id => id!.GetValue<int>());
        }
    }

    /// <summary>Each token's text stands in the echo where its offset says; the token before the prompt takes no place.</summary>
    [Fact]
    public async Task Offsets_of_an_echo_point_into_its_text()
    {
        JsonNode choice = (await server.Client.Post(Path, """{"prompt":"Once upon a time, 猫","echo":true,"logprobs":0,"max_tokens":0}""")).Json["choices"]![0]!;
        string text = choice["text"]!.GetValue<string>();
        string[] tokens = [.. choice["logprobs"]!["tokens"]!.AsArray().Select(token => token!.GetValue<string>())];
        int[] offsets = [.. choice["logprobs"]!["text_offset"]!.AsArray().Select(offset => offset!.GetValue<int>())];
        Assert.Equal(("<bos>", 0, 0), (tokens[0], offsets[0], offsets[1]));
        for (int i = 1; i < tokens.Length && !tokens[i].StartsWith("bytes:", StringComparison.Ordinal); i++) Assert.Equal(tokens[i], text.Substring(offsets[i], tokens[i].Length));
        Assert.Null(choice["logprobs"]!["token_logprobs"]![0]);
        Assert.NotNull(choice["logprobs"]!["token_logprobs"]![1]);
    }
}
