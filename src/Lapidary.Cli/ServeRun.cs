using Lapidary.Cpu;
using Lapidary.Models;
using Lapidary.Sampling;
using Lapidary.Scheduling;
using Lapidary.Server;
using Lapidary.Speculation;
using Lapidary.Tools;

namespace Lapidary.Cli;

/// <summary>The life of a server: listen, load, serve, drain.</summary>
internal static class ServeRun
{
    private const int SpareAdapterSlots = 4;

    public static async Task<int> RunAsync(ServeOptions options, Settings settings)
    {
        StandardStreams.TolerateLostErrors(); // a server goes on when the disk of its log is full
        foreach (string slip in settings.Slips) Console.Error.WriteLine($"warning: {slip}");
        ServeSettings chosen = new(options, settings);
        ServerOptions server = chosen.Server();
        EngineOptions limits = chosen.Engine();
        int? maxLogprobs = chosen.MaxLogprobs();
        SpeculativeConfig? speculative = SpeculativeOption.Parse(settings.Get(options.SpeculativeConfig));
        string[]? adapters = settings.Get(options.Lora.Lora);
        using ShutdownSignals signals = new();
        await using LapidaryServer http = await LapidaryServer.StartAsync(server);
        Console.Error.WriteLine($"listening on {http.Address}; loading {chosen.Model}");

        using CpuKernels kernels = chosen.Kernels();
        ProgressBar bar = new("loading", "layer");
        using LanguageModel model = LanguageModel.Open(chosen.Files(), kernels, limits.Sized(new LanguageModelOptions
        {
            ContextLength = settings.Get(options.MaxModelLen),
            KeyValueType = KvCacheOption.Parse(settings.Get(options.KvCacheDtype)),
            HeadFormat = HeadFormatOption.Parse(settings.Get(options.HeadFormat)),
            ExpertBackend = settings.Get(options.ExpertBackend),
            MaxLoras = LoraOptions.Slots(adapters, settings.Get(options.Lora.MaxLoras), spare: server.AllowRuntimeLoraUpdating ? SpareAdapterSlots : 0),
            Speculative = speculative,
            ReadsText = true,
            Progress = bar.Update,
        }));
        bar.Clear();
        using EngineLoop engine = new(model, limits);
        ServedModel served = new(model, engine, server.ServedModelNames)
        {
            TemplateFile = settings.Get(options.ChatTemplate),
            Format = chosen.Format() ?? OutputFormats.For(model),
            Defaults = settings.Get(options.GenerationConfig) == "vllm" ? new SamplingParameters() : model.GenerationConfig.ServerDefaults,
            MaxLogprobs = maxLogprobs ?? ServedModel.DefaultMaxLogprobs,
        };
        served.Prepare();
        foreach ((string path, string name) in (adapters ?? []).Select(LoraOptions.Split)) served.LoadAdapter(path, name);
        Task<CancellationToken> signal = signals.FirstAsync(); // from the first request on a signal ends them well
        http.Serve(served);
        Console.Error.WriteLine($"ready: {server.ServedModelNames[0]} on {kernels.Description}, {model.ContextLength} tokens of context, {model.Cache.ByteLength / 1e9:0.0} GB of keys and values in {model.Cache.Type.Name()}, {limits.MaxNumSeqs} texts at once{(adapters is { Length: > 0 } ? $"; adapters: {string.Join(", ", model.Adapters.Loaded.Select(adapter => adapter.Name))}" : "")}");

        if (served.WithoutTemplate is { } reason) Console.Error.WriteLine($"no chats, only completions: {MessageText.OneLine(reason)}");

        CancellationToken hurry = await signal;
        Console.Error.WriteLine($"shutting down; running requests have {server.ShutdownTimeout.TotalSeconds:0} s (signal again to end them now)");
        await http.StopAsync(hurry);
        return 0;
    }
}
