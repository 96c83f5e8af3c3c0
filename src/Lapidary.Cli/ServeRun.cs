using Lapidary.Cpu;
using Lapidary.Models;
using Lapidary.Scheduling;
using Lapidary.Server;
using Microsoft.Extensions.Logging;

namespace Lapidary.Cli;

/// <summary>The life of a server: listen, load, serve, drain.</summary>
internal static class ServeRun
{
    public static async Task<int> RunAsync(ServeOptions options, Settings settings)
    {
        string folder = settings.Get(options.Model) ?? DefaultModel.Locate();
        ServerOptions server = ToServerOptions(options, settings, folder);
        using ShutdownSignals signals = new();
        await using LapidaryServer http = await LapidaryServer.StartAsync(server);
        Console.Error.WriteLine($"listening on {http.Address}; loading {folder}");

        using CpuKernels kernels = new(Range(settings.Get(options.Threads), options.Threads.Name, 1, 1024));
        ProgressBar bar = new("loading", "layer");
        EngineOptions limits = new();
        using LanguageModel model = LanguageModel.Open(folder, kernels, limits.Sized(new LanguageModelOptions
        {
            ContextLength = settings.Get(options.MaxModelLen),
            ExpertBackend = settings.Get(options.ExpertBackend),
            Progress = bar.Update,
        }));
        bar.Clear();
        using EngineLoop engine = new(model, limits);
        ServedModel served = new(model, engine, server.ServedModelNames);
        served.Prepare();
        http.Serve(served);
        Console.Error.WriteLine($"ready: {server.ServedModelNames[0]} on {kernels.Description}, {model.ContextLength} tokens of context");

        CancellationToken hurry = await signals.FirstAsync();
        Console.Error.WriteLine($"shutting down; running requests have {server.ShutdownTimeout.TotalSeconds:0} s (signal again to end them now)");
        await http.StopAsync(hurry);
        return 0;
    }

    private static ServerOptions ToServerOptions(ServeOptions options, Settings settings, string folder)
    {
        ServerOptions defaults = new() { ServedModelNames = [Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)))] };
        TimeSpan? Seconds(System.CommandLine.Option<double?> option) => settings.Get(option) switch
        {
            null => null,
            var seconds and > 0 and < 1e6 => TimeSpan.FromSeconds(seconds.Value),
            var seconds => throw new ConfigException($"{option.Name} is {seconds}, expected more than 0 seconds"),
        };
        return defaults with
        {
            Host = settings.Get(options.Host) ?? defaults.Host,
            Port = Range(settings.Get(options.Port), options.Port.Name, 0, 65535) ?? defaults.Port,
            ServedModelNames = settings.Get(options.ServedModelName) is { Length: > 0 } names ? names : defaults.ServedModelNames,
            ApiKeys = settings.Get(options.ApiKey) ?? [],
            CorsOrigins = settings.Get(options.CorsOrigin) ?? [],
            TlsCertificateFile = settings.Get(options.SslCertfile),
            TlsKeyFile = settings.Get(options.SslKeyfile),
            MaxBodyBytes = Range(settings.Get(options.MaxBodyBytes), options.MaxBodyBytes.Name, 1, int.MaxValue) ?? defaults.MaxBodyBytes,
            RequestsPerMinute = Range(settings.Get(options.RateLimit), options.RateLimit.Name, 1, int.MaxValue),
            MaxConcurrentRequests = Range(settings.Get(options.MaxConcurrentRequests), options.MaxConcurrentRequests.Name, 1, int.MaxValue) ?? defaults.MaxConcurrentRequests,
            RequestTimeout = Seconds(options.RequestTimeout),
            QueueTimeout = Seconds(options.QueueTimeout),
            WriteTimeout = Seconds(options.WriteTimeout) ?? defaults.WriteTimeout,
            ShutdownTimeout = Seconds(options.ShutdownTimeout) ?? defaults.ShutdownTimeout,
            LogFormat = settings.Get(options.LogFormat) == "json" ? LogFormat.Json : LogFormat.Text,
            LogLevel = settings.Get(options.LogLevel) is { } level ? Enum.Parse<LogLevel>(level, ignoreCase: true) : defaults.LogLevel,
        };
    }

    private static int? Range(int? value, string option, int min, int max)
        => value is null || (value >= min && value <= max) ? value : throw new ConfigException($"{option} is {value}, expected {min} to {max}");
}
