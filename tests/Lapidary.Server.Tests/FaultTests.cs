using System.Diagnostics;
using System.Text.Json.Nodes;
using Lapidary.Scheduling;

namespace Lapidary.Server.Tests;

/// <summary>Whatever fails, fails the request it happens in, with a clear error; the others get their own text, and nothing is left.</summary>
public sealed class FaultTests
{
    private const string Path = "/v1/completions";
    private const int Poison = 3000, Unreadable = 6143, Vocab = 6144;

    private readonly Faults faults = new();

    private static string Body(string prompt, string more = "") => $$"""{"prompt":{{JsonValue.Create(prompt).ToJsonString()}},"temperature":0,"max_tokens":60,"ignore_eos":true{{more}}}""";

    private async Task<Server> Start(EngineOptions? limits = null, string? folder = null, int? context = null)
    {
        Server server = new(options => options with { AllowRuntimeLoraUpdating = true }, limits)
        {
            Device = kernels => new FaultyKernels(kernels, faults, Poison, Vocab),
            ContextLength = context,
            Folder = folder ?? Lapidary.Models.DefaultModel.Locate(),
        };
        await server.InitializeAsync();
        return server;
    }

    private static readonly string[] Prompts = ["Once upon a time", "The cat", "A girl named Lily", "One day, Tom"];

    private static async Task<string> Text(Server server, string prompt)
    {
        Answer answer = await server.Client.Post(Path, Body(prompt));
        Assert.True(answer.Status == 200, answer.Body);
        return answer.Json["choices"]![0]!["text"]!.GetValue<string>();
    }

    private static async Task<string[]> TextsOneByOne(Server server)
    {
        List<string> texts = [];
        foreach (string prompt in Prompts) texts.Add(await Text(server, prompt));
        return [.. texts];
    }

    /// <summary>Sound requests beside whatever <paramref name="fault"/> does.</summary>
    private static async Task AssertOthersAreSound(Server server, string[] expected, Func<Task> fault)
    {
        Task<string>[] beside = [.. Prompts.Select(prompt => Text(server, prompt))];
        await fault();
        Assert.Equal(expected, await Task.WhenAll(beside));
        Assert.Equal(expected, await TextsOneByOne(server));
        await AssertIdle(server);
    }

    private static async Task AssertIdle(Server server)
    {
        // A response is out only after its text has left the gauges.
        EngineStatistics now = server.Statistics;
        Assert.Equal((0, 0, 0.0), (now.Running, now.Waiting, now.KvCacheUsage));
        Assert.Equal(200, (await server.Client.Get("/health")).Status);
        Assert.Equal(200, (await server.Client.Get("/ready")).Status);
    }

    private static void AssertFailed(Answer answer, string says)
    {
        answer.AssertError(500, null, "generation_failed");
        Assert.Equal("server_error", answer.Error["type"]!.GetValue<string>());
        Assert.Contains(says, answer.Error["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    /// <summary>The last event before [DONE] of a stream that fails after its first token.</summary>
    private static async Task AssertStreamFails(Server server, string body, string says)
    {
        Sse stream = await Sse.Post(server.Client, Path, body);
        JsonNode error = stream.Data.Last()["error"]!;
        Assert.Equal(("server_error", "generation_failed"), (error["type"]!.GetValue<string>(), error["code"]!.GetValue<string>()));
        Assert.Contains(says, error["message"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.True(stream.Done);
        Assert.DoesNotContain(stream.Data.SkipLast(1), chunk => chunk["error"] is not null || chunk["choices"]![0]!["finish_reason"] is not null);
    }

    [Fact]
    public async Task Logits_that_are_no_numbers()
    {
        await using Server server = await Start();
        string[] expected = await TextsOneByOne(server);
        await AssertOthersAreSound(server, expected, async () =>
        {
            AssertFailed(await server.Client.Post(Path, $$"""{"prompt":[2,{{Poison}},5],"max_tokens":5}"""), "not numbers");
            // Written first by the model itself, so that the fault comes in the middle of the stream.
            await AssertStreamFails(server, Body("A dog", $$""","logit_bias":{"{{Poison}}":100},"stream":true"""), "not numbers");
            AssertFailed(await server.Client.Post("/v1/embeddings", $$"""{"input":[2,{{Poison}}]}"""), "not numbers");
        });
        Assert.Equal((3, 3), (server.Statistics.CorruptedRequests, server.Statistics.FinishedError));
        Assert.Contains("vllm:corrupted_requests_total{model_name=\"gemma4-tiny\",engine=\"0\"} 3.0", (await server.Client.Get("/metrics")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sampler_that_breaks()
    {
        await using Server server = await Start();
        string[] expected = await TextsOneByOne(server);
        Task<Answer>[] asked = [.. Prompts.Select(prompt => server.Client.Post(Path, Body(prompt)))];
        faults.FailSampling();
        Answer[] answers = await Task.WhenAll(asked);
        // The first that sampled after the order; it may have come too late for all of them.
        Answer failed = answers.Any(answer => answer.Status != 200) ? Assert.Single(answers, answer => answer.Status != 200) : await server.Client.Post(Path, Body("A dog"));
        AssertFailed(failed, "choosing a token failed: the sampler broke");
        for (int i = 0; i < answers.Length; i++)
            if (answers[i].Status == 200) Assert.Equal(expected[i], answers[i].Json["choices"]![0]!["text"]!.GetValue<string>());
        await AssertOthersAreSound(server, expected, () => Task.CompletedTask);
        Assert.Equal(1, server.Statistics.FinishedError);
    }

    [Fact]
    public async Task A_request_that_leaves_nothing_to_choose_from()
    {
        await using Server server = await Start();
        string[] expected = await TextsOneByOne(server);
        JsonNode ids = (await server.Client.Post("/tokenize", """{"prompt":" cat","add_special_tokens":false}""")).Json["tokens"]!;
        await AssertOthersAreSound(server, expected, async () =>
        {
            Answer refused = await server.Client.Post(Path, Body("A dog", $$""","allowed_token_ids":[{{ids[0]!}}],"bad_words":[" cat"]"""));
            refused.AssertError(400, null, "no_token_left");
            Assert.Contains("no token is left to choose from", refused.Error["message"]!.GetValue<string>(), StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task A_step_that_cannot_be_computed()
    {
        await using Server server = await Start();
        string[] expected = await TextsOneByOne(server);
        faults.FailStep();
        AssertFailed(await server.Client.Post(Path, Body("A dog")), "the step could not be computed: a launch failed");
        await AssertOthersAreSound(server, expected, () => Task.CompletedTask);
    }

    [Fact]
    public async Task A_token_that_the_tokenizer_does_not_have_gives_no_text()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("lapidary-");
        try
        {
            foreach (string file in Directory.GetFiles(Lapidary.Models.DefaultModel.Locate())) File.CreateSymbolicLink(System.IO.Path.Combine(folder.FullName, System.IO.Path.GetFileName(file)), file);
            string tokenizer = System.IO.Path.Combine(folder.FullName, "tokenizer.json");
            JsonNode json = JsonNode.Parse(await File.ReadAllTextAsync(tokenizer, TestContext.Current.CancellationToken))!;
            Assert.True(json["model"]!["vocab"]!.AsObject().Remove("<unused101>"));
            File.Delete(tokenizer);
            await File.WriteAllTextAsync(tokenizer, json.ToJsonString(), TestContext.Current.CancellationToken);

            await using Server server = await Start(folder: folder.FullName);
            string[] expected = await TextsOneByOne(server);
            await AssertOthersAreSound(server, expected, async () =>
            {
                Answer text = await server.Client.Post(Path, $$"""{"prompt":"A dog","temperature":0,"max_tokens":5,"logprobs":0,"return_token_ids":true,"allowed_token_ids":[{{Unreadable}}]}""");
                JsonNode choice = text.Json["choices"]![0]!;
                Assert.Equal(("", "length", 5), (choice["text"]!.GetValue<string>(), choice["finish_reason"]!.GetValue<string>(), text.Json["usage"]!["completion_tokens"]!.GetValue<int>()));
                Assert.All(choice["logprobs"]!["tokens"]!.AsArray(), token => Assert.Equal($"token_id:{Unreadable}", token!.GetValue<string>()));
                Answer chat = await server.Client.Post("/v1/chat/completions", $$$"""{"messages":[{"role":"user","content":"a"}],"temperature":0,"max_tokens":5,"logit_bias":{"{{{Unreadable}}}":100},"skip_special_tokens":false}""");
                Assert.Equal("", chat.Json["choices"]![0]!["message"]!["content"]!.GetValue<string>());
                (await server.Client.Post("/detokenize", $$"""{"tokens":[{{Unreadable}}]}""")).AssertError(400, "tokens");
            });
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task A_cache_that_is_full()
    {
        // Room for little more than one text of full length.
        await using Server server = await Start(new EngineOptions { MaxNumSeqs = 8, MaxNumBatchedTokens = 64, KvCacheMemory = 3 << 20 }, context: 256);
        string[] alone = new string[6];
        for (int i = 0; i < alone.Length; i++) alone[i] = await Story(i);
        long before = server.Statistics.Preemptions;
        Assert.Equal(alone, await Task.WhenAll(Enumerable.Range(0, alone.Length).Select(Story)));
        Assert.True(server.Statistics.Preemptions > before, "the cache was large enough for all");
        await AssertIdle(server);

        async Task<string> Story(int seed)
        {
            Answer answer = await server.Client.Post(Path, $$"""{"prompt":"Story {{seed}}:","max_tokens":200,"ignore_eos":true,"seed":{{seed}}}""");
            Assert.True(answer.Status == 200, answer.Body);
            return answer.Json["choices"]![0]!["text"]!.GetValue<string>();
        }
    }

    [Fact]
    public async Task An_adapter_that_is_damaged()
    {
        await using Server server = await Start();
        string[] expected = await TextsOneByOne(server);
        string good = System.IO.Path.Combine(Repository.Root, "models/gemma4-tiny-lora");
        byte[] weights = await File.ReadAllBytesAsync(System.IO.Path.Combine(good, "adapter_model.safetensors"), TestContext.Current.CancellationToken);
        DirectoryInfo folder = Directory.CreateTempSubdirectory("lapidary-");
        try
        {
            File.Copy(System.IO.Path.Combine(good, "adapter_config.json"), System.IO.Path.Combine(folder.FullName, "adapter_config.json"));
            byte[][] damaged = [[], [1, 2, 3], weights[..(weights.Length / 2)], [.. Enumerable.Repeat((byte)0xff, 4096)], [.. weights.Select((b, i) => i == 20 ? (byte)'#' : b)]];
            await AssertOthersAreSound(server, expected, async () =>
            {
                foreach (byte[] bytes in damaged)
                {
                    await File.WriteAllBytesAsync(System.IO.Path.Combine(folder.FullName, "adapter_model.safetensors"), bytes, TestContext.Current.CancellationToken);
                    Answer refused = await server.Client.Post("/v1/load_lora_adapter", $$"""{"lora_name":"bad","lora_path":"{{folder.FullName}}"}""");
                    refused.AssertError(400, "lora_path");
                    Assert.Contains("adapter_model.safetensors", refused.Error["message"]!.GetValue<string>(), StringComparison.Ordinal);
                    (await server.Client.Post(Path, """{"model":"bad","prompt":"a"}""")).AssertError(404, "model", "model_not_found");
                }
            });
            Assert.Equal(200, (await server.Client.Post("/v1/load_lora_adapter", $$"""{"lora_name":"good","lora_path":"{{good}}"}""")).Status);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
