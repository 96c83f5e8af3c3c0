using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Lapidary.Server.Tests;

/// <summary><c>lapidary serve</c> as a process: settings from three places, signals, exit codes.</summary>
public sealed class ServeProcessTests : IDisposable
{
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "lapidary.dll");
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("lapidary-");

    public void Dispose() => folder.Delete(recursive: true);

    /// <summary>Ends when the test does, however that ends.</summary>
    private sealed class OwnProcess : Process
    {
        public OwnProcess(ProcessStartInfo start)
        {
            StartInfo = start;
            Start();
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) Kill(entireProcessTree: true);
            base.Dispose(disposing);
        }
    }

    private static OwnProcess Start(Dictionary<string, string> environment, params string[] arguments)
    {
        ProcessStartInfo start = new("dotnet", [Program, .. arguments]) { RedirectStandardError = true, RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (string inherited in start.Environment.Keys.Where(name => name.StartsWith("LAPIDARY_", StringComparison.OrdinalIgnoreCase)).ToArray()) start.Environment.Remove(inherited);
        foreach ((string name, string value) in environment) start.Environment[name] = value;
        return new OwnProcess(start);
    }

    private static async Task<(Process Process, HttpClient Client)> Serve(Dictionary<string, string> environment, params string[] arguments)
    {
        OwnProcess process = Start(environment, ["serve", "--port", "0", "--threads", "1", "--log-level", "none", .. arguments]);
        try
        {
            string listening = await process.StandardError.ReadLineAsync(TestContext.Current.CancellationToken) ?? "";
            Match address = Regex.Match(listening, "^listening on (http\\S+);");
            Assert.True(address.Success, listening);
            Assert.StartsWith("ready:", await process.StandardError.ReadLineAsync(TestContext.Current.CancellationToken));
            return (process, new HttpClient { BaseAddress = new Uri(address.Groups[1].Value) });
        }
        catch
        {
            process.Dispose();
            throw;
        }
    }

    private static async Task<int> End(Process process, params string[] signals)
    {
        foreach (string signal in signals)
        {
            await Kill(process, signal);
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(40), TestContext.Current.CancellationToken);
        return process.ExitCode;
    }

    private static async Task Kill(Process process, string signal)
    {
        using Process kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"])!;
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Bit 1 of the mask is signal 2 (proc(5)).</summary>
    private static bool IgnoresInterrupts => OperatingSystem.IsLinux()
        && File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith("SigIgn:", StringComparison.Ordinal)) is { } mask
        && (Convert.ToUInt64(mask["SigIgn:".Length..].Trim(), 16) & 2) != 0;

    [Fact]
    public async Task A_test_that_fails_leaves_no_server_behind()
    {
        (Process process, HttpClient client) = await Serve([]);
        int id = process.Id;
        client.Dispose();
        process.Dispose();
        await Until(() => Task.FromResult(Process.GetProcesses().All(running => running.Id != id)));
    }

    [Fact]
    public async Task The_command_line_wins_over_the_environment_and_that_over_the_file()
    {
        string file = Path.Combine(folder.FullName, "serve.json");
        await File.WriteAllTextAsync(file, """{"max-model-len": 300, "served-model-name": ["file"], "api-key": "secret", "max-num-seqs": 3}""", TestContext.Current.CancellationToken);
        (Process process, HttpClient client) = await Serve(new() { ["LAPIDARY_CONFIG"] = file, ["LAPIDARY_SERVED_MODEL_NAME"] = "environment,second", ["LAPIDARY_MAX_MODEL_LEN"] = "200" }, "--max-model-len", "100");
        using (process)
        using (client)
        {
            Assert.Equal(401, (await client.Get("/v1/models")).Status);
            client.DefaultRequestHeaders.Add("Authorization", "Bearer secret");
            JsonArray models = (await client.Get("/v1/models")).Json["data"]!.AsArray();
            Assert.Equal(["environment", "second"], models.Select(model => model!["id"]!.GetValue<string>()));
            Assert.Equal(100, models[0]!["max_model_len"]!.GetValue<int>());
            Assert.Equal(0, await End(process, "TERM"));
        }
    }

    [Fact]
    public async Task A_slip_in_a_variable_is_told_before_the_server_listens()
    {
        using OwnProcess process = Start(new() { ["LAPIDARY_PROT"] = "9000", ["LAPIDARY_SERVICE_HOST"] = "10.96.0.1" }, "serve", "--port", "0", "--threads", "1", "--log-level", "none");
        Assert.Equal("warning: \"LAPIDARY_PROT\" is no setting of lapidary serve and has no effect; did you mean LAPIDARY_PORT?", await process.StandardError.ReadLineAsync(TestContext.Current.CancellationToken));
        Assert.StartsWith("listening on", await process.StandardError.ReadLineAsync(TestContext.Current.CancellationToken));
        Assert.StartsWith("ready:", await process.StandardError.ReadLineAsync(TestContext.Current.CancellationToken));
        Assert.Equal(0, await End(process, "TERM"));
    }

    [Fact]
    public async Task Random_weights_of_a_published_shape_are_served_like_a_model()
    {
        (Process process, HttpClient client) = await Serve([], "--synthetic", "gemma4-26b-a4b:layers=1,experts=2,vocab=7000", "--max-model-len", "512", "--max-num-seqs", "4");
        using (process)
        using (client)
        {
            Assert.Equal("gemma4-26b-a4b:layers=1,experts=2,vocab=7000", (await client.Get("/v1/models")).Json["data"]![0]!["id"]!.GetValue<string>());
            Answer answer = await client.Post("/v1/chat/completions", """{"messages":[{"role":"user","content":"Hello 🎉"}],"max_tokens":40,"ignore_eos":true,"seed":1,"return_token_ids":true}""");
            Assert.Equal((200, 40), (answer.Status, answer.Json["usage"]!["completion_tokens"]!.GetValue<int>()));
            int[] ids = [.. answer.Json["choices"]![0]!["token_ids"]!.AsArray().Select(id => id!.GetValue<int>())];
            Assert.Contains(ids, id => id >= 6144); // beyond the embedded model's vocabulary, and yet it has a text
            Answer text = await client.Post("/detokenize", $$"""{"tokens":[{{string.Join(',', Enumerable.Range(0, 7000))}}]}""");
            Assert.EndsWith(" w6999", text.Json["prompt"]!.GetValue<string>());
            Assert.Equal(0, await End(process, "TERM"));
        }
    }

    [Theory]
    [InlineData("unknown synthetic model", "--synthetic", "gpt-5"), InlineData("unknown format \"q9\"", "--synthetic", "gemma4-26b-a4b:layers=1,experts=2,vocab=7000", "--format", "q9")]
    [InlineData("vocabulary of 512 is smaller", "--synthetic", "gemma4-26b-a4b:layers=1,experts=2,vocab=512")]
    public async Task A_synthetic_model_that_cannot_be_is_refused(string says, params string[] arguments)
    {
        using OwnProcess process = Start([], ["serve", "--port", "0", "--threads", "1", "--max-model-len", "64", "--max-num-seqs", "1", .. arguments]);
        string error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.Equal(1, await End(process));
        Assert.Contains(says, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_full_disk_of_the_log_stops_nothing()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs /dev/full and /proc");
        ProcessStartInfo start = new("sh", ["-c", $"exec dotnet '{Program}' serve --port 0 --threads 1 --log-level debug 2>/dev/full"]);
        using OwnProcess process = new(start);
        using HttpClient client = new() { BaseAddress = await ListeningPort(process) };
        await Until(async () => (await client.Get("/ready")).Status == 200);
        Answer[] answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => client.Post("/v1/completions", """{"prompt":"a","max_tokens":2}""")));
        Assert.All(answers, answer => Assert.Equal(200, answer.Status));
        (await client.Post("/v1/completions", "{")).AssertError(400, null, "invalid_json");
        Assert.Equal(0, await End(process, "TERM"));
    }

    /// <summary>The port a process listens on, from its open sockets: it cannot say.</summary>
    private static async Task<Uri> ListeningPort(Process process)
    {
        int port = 0;
        await Until(() =>
        {
            string[] sockets = [.. Directory.GetFiles($"/proc/{process.Id}/fd").Select(fd => new FileInfo(fd).LinkTarget ?? "").Where(link => link.StartsWith("socket:[", StringComparison.Ordinal)).Select(link => link[8..^1])];
            foreach (string line in File.ReadLines($"/proc/{process.Id}/net/tcp").Skip(1))
                if (line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, string local, _, "0A", _, _, _, _, _, string inode, ..] && sockets.Contains(inode)) port = Convert.ToInt32(local.Split(':')[1], 16);
            return Task.FromResult(port > 0);
        });
        return new Uri($"http://127.0.0.1:{port}");
    }

    private static async Task Until(Func<Task<bool>> condition)
    {
        for (long start = Stopwatch.GetTimestamp(); !await condition(); await Task.Delay(20, TestContext.Current.CancellationToken))
            if (Stopwatch.GetElapsedTime(start).TotalSeconds > 60) Assert.Fail("it did not happen within 60 s");
    }

    [Theory, InlineData(1), InlineData(2)]
    public async Task Under_load_every_request_ends_well_or_with_an_error_when_the_server_ends(int signals)
    {
        (Process process, HttpClient client) = await Serve([], "--max-num-seqs", "4", "--shutdown-timeout", "120");
        using (process)
        using (client)
        {
            // Streams and whole answers, more than run at a time; two signals must not wait for the long ones.
            int tokens = signals == 1 ? 30 : 1900;
            Task<string>[] streams = [.. Enumerable.Range(0, 8).Select(i => ReadStream(client, $$"""{"prompt":"Story {{i}}","max_tokens":{{tokens}},"ignore_eos":true,"stream":true,"n":{{(signals == 1 ? 1 : 16)}}}"""))];
            Task<Answer>[] whole = [.. Enumerable.Range(0, 8).Select(i => client.Post("/v1/completions", $$"""{"prompt":"Tale {{i}}","max_tokens":{{tokens}},"ignore_eos":true,"n":{{(signals == 1 ? 1 : 16)}}}"""))];
            await Until(async () => (await client.Get("/metrics")).Body.Contains("vllm:request_params_n_count{model_name=\"gemma4-tiny\",engine=\"0\"} 16.0", StringComparison.Ordinal)); // all are in
            Assert.Equal(0, await End(process, [.. Enumerable.Repeat("TERM", signals)]));
            foreach (string stream in await Task.WhenAll(streams))
            {
                string[] events = stream.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
                if (events is [['{', ..]]) Assert.Contains("shutting_down", events[0], StringComparison.Ordinal); // waited still
                else Assert.Equal("data: [DONE]", events[^1]);
                if (signals == 1 && events.Length > 1) Assert.Contains("\"finish_reason\":\"length\"", events[^2], StringComparison.Ordinal);
                if (signals == 2 && events.Length > 1) Assert.Contains("\"code\":\"shutting_down\"", events[^2], StringComparison.Ordinal);
            }
            foreach (Answer answer in await Task.WhenAll(whole))
                if (answer.Status != 200) answer.AssertError(503, null, "shutting_down");
        }
    }

    private static async Task<string> ReadStream(HttpClient client, string body)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, "/v1/completions") { Content = new StringContent(body, System.Text.Encoding.UTF8, "application/json") };
        using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return await response.Content.ReadAsStringAsync();
    }

    /// <summary>With a bound of 0 the first one does.</summary>
    [Theory, InlineData("30", "TERM", "TERM"), InlineData("0", "TERM"), InlineData("0", "INT")]
    public async Task A_second_signal_ends_running_requests_at_once(string timeout, params string[] signals)
    {
        Assert.SkipWhen(signals.Contains("INT") && IgnoresInterrupts, "this process was started in the background of a script, which ignores SIGINT for it and its children");
        (Process process, HttpClient client) = await Serve([], "--shutdown-timeout", timeout);
        using (process)
        using (client)
        {
            Task<Answer> running = client.Post("/v1/chat/completions", """{"messages":[{"role":"user","content":"a"}],"max_tokens":1900,"ignore_eos":true,"n":64}""");
            await Until(async () => (await client.Get("/metrics")).Body.Contains("vllm:request_params_n_count{model_name=\"gemma4-tiny\",engine=\"0\"} 1.0", StringComparison.Ordinal));
            Assert.Equal(0, await End(process, signals));
            (await running).AssertError(503, null, "shutting_down");
        }
    }

    /// <summary>The framework of the command line would end every process two seconds after a signal.</summary>
    [Fact]
    public async Task Nothing_but_its_own_bound_ends_running_requests()
    {
        (Process process, HttpClient client) = await Serve([], "--shutdown-timeout", "600");
        using (process)
        using (client)
        {
            Task<Answer> running = client.Post("/v1/chat/completions", """{"messages":[{"role":"user","content":"a"}],"max_tokens":1900,"ignore_eos":true,"n":128}""");
            await Until(async () => (await client.Get("/metrics")).Body.Contains("vllm:request_params_n_count{model_name=\"gemma4-tiny\",engine=\"0\"} 1.0", StringComparison.Ordinal));
            await Kill(process, "TERM");
            for (int i = 0; i < 30; i++)
            {
                Assert.Equal(200, (await client.Get("/health")).Status);
                await Task.Delay(100, TestContext.Current.CancellationToken);
            }
            Assert.Equal(0, await End(process, "TERM"));
            (await running).AssertError(503, null, "shutting_down");
        }
    }

    [Theory]
    [InlineData("{\"prot\": 1}", "is no setting"), InlineData("{\"config\": \"a.json\"}", "is no setting"), InlineData("{\"port\": 1, \"port\": 2}", "JSON"), InlineData("{\"cors-origin\": \"example.org\"}", "an origin like"), InlineData("{\"cors-origin\": \"https://example.org/page\"}", "an origin like"), InlineData("[]", "it holds something else"), InlineData("null", "it holds null"), InlineData("{\"api-key\": []}", "api-key is an empty array"), InlineData("{\"port\": [1]}", "port is an array, expected a string"), InlineData("{\"port\": null}", "port is null"), InlineData("{\"port\": \"x\"}", "Cannot parse"), InlineData("{\"port\": 70000}", "0 to 65535"), InlineData("{\"host\": \"nowhere\"}", "IP address"), InlineData("{\"ssl-certfile\": \"/nowhere.pem\"}", "certificate")]
    public async Task A_setting_that_cannot_be_used_is_one_error_line(string config, string says)
    {
        string file = Path.Combine(folder.FullName, "serve.json");
        await File.WriteAllTextAsync(file, config, TestContext.Current.CancellationToken);
        using OwnProcess process = Start([], "serve", "--config", file);
        string error = await Refusal(process);
        Assert.Equal(1, await End(process));
        Assert.StartsWith("error:", error);
        Assert.Contains(says, error, StringComparison.Ordinal);
        Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>What a server says that does not start; one that starts says nothing more, and is not waited for.</summary>
    private static async Task<string> Refusal(OwnProcess process)
    {
        using CancellationTokenSource enough = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        enough.CancelAfter(TimeSpan.FromSeconds(30));
        return await process.StandardError.ReadToEndAsync(enough.Token);
    }

    [Theory]
    [InlineData("LAPIDARY_API_KEY", "", "LAPIDARY_API_KEY is set and holds no value"), InlineData("LAPIDARY_API_KEY", " , ", "LAPIDARY_API_KEY is set and holds no value"), InlineData("LAPIDARY_LORA", ",", "LAPIDARY_LORA is set and holds no value"), InlineData("LAPIDARY_PORT", "x", "error: the environment: Cannot parse")]
    public async Task A_variable_that_cannot_be_used_is_one_error_line(string name, string value, string says)
    {
        using OwnProcess process = Start(new() { [name] = value }, "serve");
        string error = await Refusal(process);
        Assert.Equal(1, await End(process));
        Assert.Contains(says, error, StringComparison.Ordinal);
        Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>ASP.NET is of no use to a terminal, and loading it takes time.</summary>
    [Fact]
    public async Task Other_commands_do_not_load_the_server()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads /proc");
        using OwnProcess chat = Start([], "chat", "--threads", "1");
        await chat.StandardError.ReadLineAsync(TestContext.Current.CancellationToken); // the model is loaded
        string maps = await File.ReadAllTextAsync($"/proc/{chat.Id}/maps", TestContext.Current.CancellationToken);
        chat.StandardInput.Close();
        Assert.Equal(0, await End(chat));
        Assert.Contains("Lapidary.Engine.dll", maps, StringComparison.Ordinal);
        Assert.DoesNotContain("Microsoft.AspNetCore", maps, StringComparison.Ordinal);
        Assert.DoesNotContain("Lapidary.Server.dll", maps, StringComparison.Ordinal);
        Assert.DoesNotContain("OpenTelemetry", maps, StringComparison.Ordinal);
    }
}
