using Lapidary.Cpu;
using Lapidary.Models;
using Lapidary.Scheduling;
using Lapidary.Speculation;
using Microsoft.Extensions.Logging;

[assembly: AssemblyFixture(typeof(Lapidary.Server.Tests.Server))]

namespace Lapidary.Server.Tests;

/// <summary>A server on a free port of this machine with the embedded model, and a client of it.</summary>
public sealed class Server : IAsyncLifetime
{
    private readonly CpuKernels kernels = new(1);
    private readonly Func<ServerOptions, ServerOptions> configure;
    private readonly EngineOptions limits;
    private readonly SpeculativeConfig? speculative;
    private LanguageModel? model;
    private EngineLoop? engine;
    private LapidaryServer? http;

    public Server() : this(options => options) { }

    internal Server(Func<ServerOptions, ServerOptions> configure, EngineOptions? limits = null, SpeculativeConfig? speculative = null)
    {
        this.speculative = speculative;
        this.configure = configure;
        this.limits = limits ?? new EngineOptions();
    }

    /// <summary>What stands between model and processor; nothing by default.</summary>
    internal Func<IKernels, IKernels> Device { get; init; } = kernels => kernels;

    internal string Folder { get; init; } = DefaultModel.Locate();

    /// <summary>Most tokens of a text; the model's own limit by default.</summary>
    internal int? ContextLength { get; init; }

    internal int MaxLogprobs { get; init; } = ServedModel.DefaultMaxLogprobs;

    internal EngineStatistics Statistics => engine!.Statistics;

    public const string ModelName = "gemma4-tiny";

    public HttpClient Client { get; private set; } = new();

    internal LapidaryServer Http => http!;

    /// <summary>Listens, and has no model yet.</summary>
    internal async Task ListenAsync()
    {
        http = await LapidaryServer.StartAsync(configure(new ServerOptions { Port = 0, ServedModelNames = [ModelName, "alias"], LogLevel = LogLevel.None }));
        Client = new HttpClient { BaseAddress = http.Address };
    }

    public async ValueTask InitializeAsync()
    {
        await ListenAsync();
        Load();
    }

    internal void Load()
    {
        model = LanguageModel.Open(Folder, Device(kernels), limits.Sized(new LanguageModelOptions { MaxLoras = 2, Speculative = speculative, ContextLength = ContextLength }));
        engine = new EngineLoop(model, limits);
        http!.Serve(new ServedModel(model, engine, [ModelName, "alias"]) { MaxLogprobs = MaxLogprobs });
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (http is not null)
        {
            await http.StopAsync();
            await http.DisposeAsync();
        }
        engine?.Dispose();
        model?.Dispose();
        kernels.Dispose();
    }
}
