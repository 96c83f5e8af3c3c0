using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Lora;
using Lapidary.Models;
using Lapidary.Sampling;
using Lapidary.Scheduling;

namespace Lapidary.Tests.Lora;

/// <summary>Requests name adapters; adapters come and go while the engine serves.</summary>
public sealed class EngineAdapterTests : IDisposable
{
    private static readonly string Robot = Path.Combine(Goldens.Repository, "models/gemma4-tiny-lora");
    private static readonly EngineOptions Limits = new() { MaxNumSeqs = 8, MaxNumBatchedTokens = 64 };

    private readonly CpuKernels kernels = new();
    private readonly LanguageModel model;
    private readonly EngineLoop engine;
    private readonly SafetensorsFile plain = SafetensorsFile.Open(Path.Combine(Goldens.TinyModel, "golden.safetensors"));
    private readonly SafetensorsFile adapted = SafetensorsFile.Open(Path.Combine(Robot, "golden.safetensors"));

    public EngineAdapterTests()
    {
        model = LanguageModel.Open(Goldens.TinyModel, kernels, Limits.Sized(new LanguageModelOptions { ContextLength = 512, MaxLoras = 2 }));
        engine = new EngineLoop(model, Limits);
    }

    public void Dispose()
    {
        engine.Dispose();
        model.Dispose();
        kernels.Dispose();
        plain.Dispose();
        adapted.Dispose();
    }

    [Fact]
    public async Task Requests_with_and_without_an_adapter_run_together_and_share_no_prefix()
    {
        model.Adapters.Load(Robot, "robot");
        // The same prompts twice, so that the prefix cache is filled by one kind before the other asks for it.
        string[] cases = ["story_cat", "tool_call", "tool_result", "system"];
        for (int round = 0; round < 2; round++)
        {
            List<(RequestHandle Handle, int[] Expected)> requests = [];
            foreach (string name in cases)
            {
                requests.Add(Submit(plain, name, adapter: null));
                requests.Add(Submit(adapted, name, "robot"));
            }
            foreach ((RequestHandle handle, int[] expected) in requests) Assert.Equal(expected, (await Read(handle)).Select(e => e.TokenId));
        }
        Assert.Equal(0, model.Adapters.Find("robot").Holders);
    }

    [Fact]
    public async Task An_adapter_that_is_dropped_serves_its_requests_to_the_end()
    {
        LoadedAdapter robot = model.Adapters.Load(Robot, "robot");
        (RequestHandle handle, int[] expected) = Submit(adapted, "story_cat", "robot");
        model.Adapters.Drop("robot");
        Assert.Throws<AdapterException>(() => Submit(adapted, "story_cat", "robot"));
        Assert.Equal(expected, (await Read(handle)).Select(e => e.TokenId));
        await engine.DrainAsync();
        Assert.Equal(0, robot.Holders);
    }

    [Fact]
    public async Task Another_adapter_of_the_same_name_does_not_find_the_first_ones_prefixes()
    {
        int[] Tokens(List<TokenEvent> events) => [.. events.Select(e => e.TokenId)];
        model.Adapters.Load(AdapterGoldens.Case("embeddings"), "a");
        int[] first = Tokens(await Read(Submit(adapted, "tool_call", "a").Handle));
        model.Adapters.Drop("a");
        model.Adapters.Load(Robot, "a");
        (RequestHandle handle, int[] expected) = Submit(adapted, "tool_call", "a");
        List<TokenEvent> second = await Read(handle);
        Assert.NotEqual(first, expected);
        Assert.Equal(expected, Tokens(second));
        Assert.Equal(0, second[^1].Completion!.Usage.CachedTokens);
        Assert.NotEqual(0, (await Read(Submit(adapted, "tool_call", "a").Handle))[^1].Completion!.Usage.CachedTokens); // its own it does find
    }

    [Fact]
    public async Task Adapters_come_and_go_under_load()
    {
        model.Adapters.Load(Robot, "robot");
        using CancellationTokenSource done = new();
        Task churn = Task.Run(() =>
        {
            string[] folders = [AdapterGoldens.Case("all_linear"), AdapterGoldens.Case("rslora_patterns"), AdapterGoldens.Case("some_layers")];
            int loads = 0;
            for (; !done.IsCancellationRequested || loads < 3; loads++)
            {
                model.Adapters.Load(folders[loads % folders.Length], "other");
                model.Adapters.Drop("other");
            }
            return loads;
        }, TestContext.Current.CancellationToken);
        for (int round = 0; round < 3; round++)
        {
            (RequestHandle Handle, int[] Expected)[] requests = [Submit(adapted, "hello", "robot"), Submit(plain, "hello", null), Submit(adapted, "capital", "robot"), Submit(plain, "json", null)];
            foreach ((RequestHandle handle, int[] expected) in requests) Assert.Equal(expected, (await Read(handle)).Select(e => e.TokenId));
        }
        await done.CancelAsync();
        await churn;
    }

    [Fact]
    public void An_unknown_adapter_is_refused_when_the_request_is_submitted()
        => Assert.Contains("no adapter \"x\" is loaded", Assert.Throws<AdapterException>(() => Submit(plain, "hello", "x")).Message, StringComparison.Ordinal);

    private (RequestHandle Handle, int[] Expected) Submit(SafetensorsFile golden, string name, string? adapter)
    {
        int[] expected = golden.Find($"{name}.output_ids")!.ToInt32s();
        return (engine.Submit(new InferenceRequest
        {
            Id = name,
            PromptIds = [.. golden.Find($"{name}.prompt_ids")!.ToInt32s()],
            Sampling = new SamplingParameters { Temperature = 0, MaxTokens = expected.Length },
            Adapter = adapter,
        }), expected);
    }

    private static async Task<List<TokenEvent>> Read(RequestHandle handle)
    {
        List<TokenEvent> events = [];
        await foreach (TokenEvent e in handle.Events.ReadAllAsync(TestContext.Current.CancellationToken)) events.Add(e);
        return events;
    }
}
