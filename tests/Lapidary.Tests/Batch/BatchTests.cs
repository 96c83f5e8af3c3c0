using System.Text;
using System.Text.Json.Nodes;
using Lapidary.Cli.Batch;
using Lapidary.Tests.Cli;

namespace Lapidary.Tests.Batch;

/// <summary><c>lapidary batch</c>: every line gets its result once, an interrupted run goes on.</summary>
public sealed class BatchTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("lapidary-batch");

    private string Input => Path.Combine(folder.FullName, "in.jsonl");

    private string Output => Path.Combine(folder.FullName, "out.jsonl");

    public void Dispose() => folder.Delete(recursive: true);

    private static string Chat(string id, string text)
        => $$$"""{"custom_id":"{{{id}}}","method":"POST","url":"/v1/chat/completions","body":{"model":"gemma4-tiny","messages":[{"role":"user","content":"{{{text}}}"}],"max_tokens":6,"temperature":0}}""";

    private Dictionary<string, JsonNode> Results()
        => File.ReadAllLines(Output).Select(line => JsonNode.Parse(line)!).ToDictionary(result => result["custom_id"]?.GetValue<string>() ?? "", result => result);

    private static string? Text(JsonNode result) => result["response"]?["body"]?["choices"]?[0]?["message"]?["content"]?.GetValue<string>();

    [Fact]
    public void Results_are_the_APIs_answers_and_an_interrupted_run_goes_on()
    {
        string[] good = [.. Enumerable.Range(0, 8).Select(i => Chat($"r{i}", $"Hello {i}"))];
        File.WriteAllLines(Input, [.. good, Chat("other", "x").Replace("gemma4-tiny", "nope", StringComparison.Ordinal), "", "no json", Chat("get", "x").Replace("POST", "GET", StringComparison.Ordinal)]);
        CommandResult first = LapidaryProcess.Run("batch", Input, Output, "--threads", "1");
        Assert.Equal(1, first.ExitCode);
        Assert.StartsWith("8 answered, 3 failed; results in ", first.Error, StringComparison.Ordinal);
        Dictionary<string, JsonNode> whole = Results();
        Assert.Equal(11, whole.Count);
        Assert.All(Enumerable.Range(0, 8), i => Assert.Equal(200, whole[$"r{i}"]["response"]!["status_code"]!.GetValue<int>()));
        Assert.All(Enumerable.Range(0, 8), i => Assert.False(string.IsNullOrEmpty(Text(whole[$"r{i}"]))));
        Assert.Equal(404, whole["other"]["response"]!["status_code"]!.GetValue<int>());
        Assert.Equal("model_not_found", whole["other"]["response"]!["body"]!["error"]!["code"]!.GetValue<string>());
        Assert.Equal("\"method\" is not \"POST\"", whole["get"]["error"]!["message"]!.GetValue<string>());
        Assert.Null(whole[""]["response"]);

        // As after a power cut: some results, and half of one.
        string[] lines = File.ReadAllLines(Output);
        File.WriteAllText(Output, string.Join('\n', lines[..6]) + "\n" + lines[6][..40]);
        int there = lines[..6].Count(line => JsonNode.Parse(line)!["response"] is not null);
        File.WriteAllLines(Input, good);
        CommandResult second = LapidaryProcess.Run("batch", Input, Output, "--threads", "1");
        Assert.Equal(0, second.ExitCode);
        Dictionary<string, JsonNode> resumed = Results();
        Assert.All(Enumerable.Range(0, 8), i => Assert.Equal(Text(whole[$"r{i}"]), Text(resumed[$"r{i}"])));
        Assert.Contains(" were there already; ", second.Error, StringComparison.Ordinal);
        Assert.InRange(there, 3, 6);
        Assert.Empty(Directory.GetFiles(folder.FullName, "*.resume"));
    }

    [Fact]
    public void What_an_earlier_run_wrote_counts_unless_it_failed_or_broke_off()
    {
        File.WriteAllText(Output, """
            {"id":"batch_req_1","custom_id":"good","response":{"status_code":200,"request_id":"x","body":{}},"error":null}
            {"id":"batch_req_2","custom_id":"refused","response":{"status_code":400,"request_id":"x","body":{}},"error":null}
            {"id":"batch_req_3","custom_id":"broken","response":{"status_code":500,"request_id":"x","body":{}},"error":null}
            {"id":"batch_req_4","custom_id":null,"response":null,"error":{"code":"invalid_request","message":"x"}}
            {"id":"batch_req_5","custom_id":"good","response":{"status_code":200,"request_id":"again","body":{}},"error":null}
            {"id":"batch_req_6","custom_id":"half","resp
            """);
        using (BatchOutput output = BatchOutput.Open(Output))
        {
            Assert.Equal(["good", "refused"], output.Done.Order());
            output.Write("half", new Lapidary.Server.Local.LocalAnswer(200, "y", Encoding.UTF8.GetBytes("""{"a":"é"}""")));
        }
        Assert.Equal(["good", "refused", "half"], File.ReadAllLines(Output).Select(line => JsonNode.Parse(line)!["custom_id"]!.GetValue<string>()));
        Assert.Contains("\"é\"", File.ReadAllText(Output), StringComparison.Ordinal);
    }

    [Fact]
    public void A_first_result_that_broke_off_is_made_again()
    {
        File.WriteAllText(Output, "{\"id\":\"ba");
        using (BatchOutput output = BatchOutput.Open(Output)) Assert.Empty(output.Done);
        Assert.Empty(File.ReadAllText(Output));
    }

    [Fact]
    public void A_device_is_written_and_never_read()
    {
        Assert.SkipUnless(File.Exists("/dev/zero"), "needs Unix's devices");
        File.WriteAllLines(Input, [Chat("a", "x")]);
        CommandResult result = LapidaryProcess.Run("batch", Input, "/dev/zero", "--threads", "1"); // reads as bytes without end: a reader's memory would run out
        Assert.Equal((0, "1 answered, 0 failed; results in /dev/zero"), (result.ExitCode, result.ErrorLines[^1]));
    }

    [Fact]
    public void A_file_that_is_something_else_is_left_alone()
    {
        File.WriteAllText(Output, "my notes\n");
        Assert.Contains("is no result of a batch", Assert.Throws<RequestException>(() => BatchOutput.Open(Output)).Message, StringComparison.Ordinal);
        Assert.Equal("my notes\n", File.ReadAllText(Output));
        Assert.Contains("cannot be written", Assert.Throws<RequestException>(() => BatchOutput.Open(Path.Combine(folder.FullName, "no", "such"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_lines_with_one_id_are_refused_before_anything_runs()
    {
        File.WriteAllLines(Input, [Chat("a", "x"), "", Chat("b", "x"), Chat("a", "y")]);
        Assert.Contains("lines 1 and 4 have the same custom_id, \"a\"", Assert.Throws<RequestException>(() => BatchRun.Count(Input)).Message, StringComparison.Ordinal);
        Assert.Contains("cannot be read", Assert.Throws<RequestException>(() => BatchRun.Count(Output)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]", "no JSON object")]
    [InlineData("{", "not valid JSON")]
    [InlineData("""{"custom_id":"\ud83d"}""", "not valid JSON")]
    [InlineData("""{"method":"POST"}""", "\"custom_id\" is missing")]
    [InlineData("""{"custom_id":7}""", "\"custom_id\" is missing")]
    [InlineData("""{"custom_id":"a","url":"/v1/completions","body":{}}""", "\"method\"")]
    [InlineData("""{"custom_id":"a","method":"POST","url":"/metrics","body":{}}""", "\"url\" is none of /v1/chat/completions, /v1/completions")]
    [InlineData("""{"custom_id":"a","method":"POST","url":"/v1/completions","body":"x"}""", "\"body\" is missing")]
    [InlineData("""{"custom_id":"a","method":"POST","url":"/v1/completions","body":{"stream":true}}""", "\"stream\" is true")]
    public void A_line_that_is_no_request_says_why(string line, string fault)
        => Assert.Contains(fault, BatchRequest.Parse(line).Fault, StringComparison.Ordinal);

    [Fact]
    public void Input_and_output_must_differ()
    {
        File.WriteAllLines(Input, [Chat("a", "x")]);
        CommandResult result = LapidaryProcess.Run("batch", Input, Input);
        Assert.Equal((1, "error: input and output are the same file; results need their own\n"), (result.ExitCode, result.Error));
    }
}
