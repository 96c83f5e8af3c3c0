namespace Lapidary.Server;

/// <summary>How the server listens, whom it lets in, and what it bounds. Names and defaults are those of <c>lapidary serve --help</c>.</summary>
public sealed record ServerOptions
{
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>0 takes any free port.</summary>
    public int Port { get; init; } = 8000;

    /// <summary>Names of the model in the API; the first is shown in answers.</summary>
    public required IReadOnlyList<string> ServedModelNames { get; init; }

    /// <summary>Any of them lets a request in; empty lets everyone in.</summary>
    public IReadOnlyList<string> ApiKeys { get; init; } = [];

    /// <summary>Origins of web pages that may call; empty for none, "*" for all.</summary>
    public IReadOnlyList<string> CorsOrigins { get; init; } = [];

    /// <summary>PEM file of the certificate chain, or a PKCS #12 file with certificate and key; null for plain HTTP.</summary>
    public string? TlsCertificateFile { get; init; }

    /// <summary>PEM file of the private key; null when the certificate's file holds it.</summary>
    public string? TlsKeyFile { get; init; }

    /// <summary>Of the private key or the PKCS #12 file; null when it is not encrypted.</summary>
    public string? TlsKeyPassword { get; init; }

    /// <summary>Largest request body in bytes.</summary>
    public long MaxBodyBytes { get; init; } = 32 << 20;

    /// <summary>Most requests a client (an API key, or an address without keys) may send a minute; null for any number.</summary>
    public int? RequestsPerMinute { get; init; }

    /// <summary>Most requests for generation at a time, queued ones included; more are answered 503.</summary>
    public int MaxConcurrentRequests { get; init; } = 1024;

    /// <summary>Whether clients may load adapters from this machine's folders and drop them.</summary>
    public bool AllowRuntimeLoraUpdating { get; init; }

    /// <summary>Longest time from arrival to the last token.</summary>
    public TimeSpan? RequestTimeout { get; init; }

    /// <summary>Longest time a request may wait for its first step.</summary>
    public TimeSpan? QueueTimeout { get; init; }

    /// <summary>How long one write may wait for a client that does not read.</summary>
    public TimeSpan WriteTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a stream may be silent before it gives a sign of life, at the earliest; one comes within twice that time.</summary>
    public TimeSpan KeepAliveInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long running requests may go on after the first SIGTERM.</summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Where OpenTelemetry traces and metrics go; null for nowhere.</summary>
    public Uri? OtlpEndpoint { get; init; }

    /// <summary>How they go there.</summary>
    public OtlpProtocol OtlpProtocol { get; init; } = OtlpProtocol.Grpc;

    public LogFormat LogFormat { get; init; } = LogFormat.Text;
    public LogLevel LogLevel { get; init; } = LogLevel.Information;
}

/// <summary>The two forms of OTLP.</summary>
public enum OtlpProtocol
{
    Grpc,
    HttpProtobuf,
}

public enum LogFormat
{
    Text,
    Json,
}
