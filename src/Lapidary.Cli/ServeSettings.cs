using System.Globalization;
using Lapidary.Cpu;
using Lapidary.Models;
using Lapidary.Models.Synthetic;
using Lapidary.Scheduling;
using Lapidary.Server;
using Lapidary.Tools;
using Microsoft.Extensions.Logging;

namespace Lapidary.Cli;

/// <summary>What <c>lapidary serve</c> was asked for, checked.</summary>
internal sealed class ServeSettings(ServeOptions options, Settings settings)
{
    private readonly string? synthetic = settings.Get(options.Synthetic);

    /// <summary>Folder, file, or shape of a synthetic model.</summary>
    public string Model { get; } = settings.Get(options.Synthetic) ?? settings.Get(options.Model) ?? DefaultModel.Locate();

    /// <exception cref="LapidaryException">It is no model that can be served.</exception>
    public ModelFiles Files() => synthetic is null ? ModelFiles.Open(Model) : SyntheticModelFiles.Create(synthetic, settings.Get(options.Format) ?? "q4_0");

    /// <summary>Synthetic weights are computed with like those of a GGUF file, as bench does.</summary>
    public CpuKernels Kernels()
    {
        CpuOptions cpu = new()
        {
            Threads = Range(options.Threads, 1, 1024),
            Pin = settings.Get(options.Pin),
            Arithmetic = CpuChoices.ArithmeticNamed(settings.Get(options.Arithmetic), synthetic is null ? Model : $"{synthetic}.gguf"),
        };
        return synthetic is null ? Devices.CpuFor(Model, cpu) : Devices.Cpu(cpu);
    }

    public EngineOptions Engine()
    {
        EngineOptions defaults = new();
        return defaults with
        {
            MaxNumSeqs = Range(options.MaxNumSeqs, 1, 65536) ?? defaults.MaxNumSeqs,
            MaxNumBatchedTokens = Range(options.MaxNumBatchedTokens, 2, 1 << 20) ?? Math.Max(defaults.MaxNumBatchedTokens, 2 * (settings.Get(options.MaxNumSeqs) ?? 0)),
            KvCacheMemory = settings.Get(options.KvCacheMemory) is { } memory ? Bytes(memory) : null,
            MaxWaiting = Range(options.MaxQueue, 0, 1 << 20) ?? defaults.MaxWaiting,
            PrefixCaching = settings.Get(options.PrefixCaching) == "off" ? PrefixCaching.Off : PrefixCaching.On,
        };
    }

    /// <summary>Null for the server's default.</summary>
    public int? MaxLogprobs() => Range(options.MaxLogprobs, -1, 1 << 20);

    public ServerOptions Server()
    {
        ServerOptions defaults = new() { ServedModelNames = [Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(Model)))] };
        return defaults with
        {
            Host = settings.Get(options.Host) ?? defaults.Host,
            Port = Range(options.Port, 0, 65535) ?? defaults.Port,
            ServedModelNames = Given(options.ServedModelName) ?? defaults.ServedModelNames,
            ApiKeys = Given(options.ApiKey) ?? [],
            CorsOrigins = [.. (Given(options.CorsOrigin) ?? []).Select(Origin)],
            TlsCertificateFile = settings.Get(options.SslCertfile),
            TlsKeyFile = settings.Get(options.SslKeyfile),
            TlsKeyPassword = settings.Get(options.SslKeyfilePassword),
            MaxBodyBytes = Range(options.MaxBodyBytes, 1, int.MaxValue) ?? defaults.MaxBodyBytes,
            RequestsPerMinute = Range(options.RateLimit, 1, int.MaxValue),
            MaxConcurrentRequests = Range(options.MaxConcurrentRequests, 1, int.MaxValue) ?? defaults.MaxConcurrentRequests,
            AllowRuntimeLoraUpdating = settings.Get(options.AllowRuntimeLoraUpdating),
            RequestTimeout = Seconds(options.RequestTimeout),
            QueueTimeout = Seconds(options.QueueTimeout),
            WriteTimeout = Seconds(options.WriteTimeout) ?? defaults.WriteTimeout,
            KeepAliveInterval = Seconds(options.KeepAliveInterval) ?? defaults.KeepAliveInterval,
            ShutdownTimeout = settings.Get(options.ShutdownTimeout) == 0 ? TimeSpan.Zero : Seconds(options.ShutdownTimeout) ?? defaults.ShutdownTimeout,
            OtlpEndpoint = settings.Get(options.OtlpEndpoint) is { } endpoint ? Address(endpoint) : null,
            OtlpProtocol = settings.Get(options.OtlpProtocol) == "http/protobuf" ? OtlpProtocol.HttpProtobuf : OtlpProtocol.Grpc,
            LogFormat = settings.Get(options.LogFormat) == "json" ? LogFormat.Json : LogFormat.Text,
            LogLevel = settings.Get(options.LogLevel) is { } level ? Enum.Parse<LogLevel>(level, ignoreCase: true) : defaults.LogLevel,
        };
    }

    /// <summary>The format asked for, under either of its two names; null for the model's own.</summary>
    public OutputFormat? Format()
    {
        string? tools = settings.Get(options.ToolCallParser), reasoning = settings.Get(options.ReasoningParser);
        if (tools is not null && reasoning is not null && tools != reasoning)
            throw new ConfigException($"{options.ToolCallParser.Name} is {tools} and {options.ReasoningParser.Name} is {reasoning}; one parser reads both, so name the same");
        return (tools ?? reasoning) is { } name ? OutputFormats.Named(name) : null;
    }

    private string[]? Given(System.CommandLine.Option<string[]> option)
    {
        if (settings.Get(option) is not { Length: > 0 } values) return null;
        return values.Any(string.IsNullOrWhiteSpace) ? throw new ConfigException($"{option.Name} is empty") : values;
    }

    private int? Range(System.CommandLine.Option<int?> option, int min, int max) => settings.Get(option) switch
    {
        null => null,
        var value when value >= min && value <= max => value,
        var value => throw new ConfigException($"{option.Name} is {value}, expected {min} to {max}"),
    };

    private TimeSpan? Seconds(System.CommandLine.Option<double?> option) => settings.Get(option) switch
    {
        null => null,
        > 0 and < 1e6 and var seconds => TimeSpan.FromSeconds(seconds),
        var seconds => throw new ConfigException($"{option.Name} is {seconds}, expected more than 0 seconds"),
    };

    private Uri Address(string text) => Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https"
        ? uri
        : throw new ConfigException($"{options.OtlpEndpoint.Name} is {MessageText.Quote(text)}, expected an address like http://localhost:4317");

    /// <summary>As browsers send it: a scheme, a host and perhaps a port.</summary>
    private string Origin(string text) => text switch
    {
        "*" => text,
        _ when Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && uri is { Host.Length: > 0, AbsolutePath: "/" or "", Query: "", Fragment: "", UserInfo: "" } => uri.GetLeftPart(UriPartial.Authority),
        _ => throw new ConfigException($"{options.CorsOrigin.Name} is {MessageText.Quote(text)}, expected an origin like https://example.org, or \"*\" for all"),
    };

    /// <summary>4G, 512M, or plain bytes.</summary>
    private long Bytes(string text)
    {
        string number = text.TrimEnd('B', 'b', 'i');
        int shift = number.Length > 0 ? char.ToUpperInvariant(number[^1]) switch { 'K' => 10, 'M' => 20, 'G' => 30, 'T' => 40, _ => 0 } : 0;
        if (shift > 0) number = number[..^1];
        if (double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value) && value > 0 && value * (1L << shift) < long.MaxValue)
            return (long)(value * (1L << shift));
        throw new ConfigException($"{options.KvCacheMemory.Name} is {MessageText.Quote(text)}, expected a size like 4G, 512M or 1000000");
    }
}
