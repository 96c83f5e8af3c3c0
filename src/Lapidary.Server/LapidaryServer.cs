using System.Diagnostics;
using System.Security.Authentication;
using Lapidary.Server.Errors;
using Lapidary.Server.Metrics;
using Lapidary.Server.Operations;
using Microsoft.AspNetCore.Cors.Infrastructure;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Console;

namespace Lapidary.Server;

/// <summary>
/// The HTTP API. It listens from the start, so that probes see it alive while the model loads; <see cref="Serve"/> makes it ready.
/// </summary>
public sealed class LapidaryServer : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly ApiServices api;

    private LapidaryServer(WebApplication app, ApiServices api) => (this.app, this.api) = (app, api);

    /// <summary>Where it listens; the port is the real one where 0 was asked for.</summary>
    public Uri Address => new(app.Urls.Single());

    internal Preparation Preparation => api.Preparation;

    internal IEnumerable<Endpoint> Endpoints => app.Services.GetRequiredService<EndpointDataSource>().Endpoints;

    /// <summary>Listens; until a model is given, all that needs one is answered with 503.</summary>
    /// <exception cref="ConfigException">The address cannot be listened on, or the certificate cannot be used.</exception>
    public static Task<LapidaryServer> StartAsync(ServerOptions options) => StartAsync(options, source: null);

    /// <param name="source">What takes requests; null for a socket.</param>
    internal static async Task<LapidaryServer> StartAsync(ServerOptions options, IServer? source)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>().AddSingleton<FailureLog>().AddSingleton<Refusals>();
        if (options.CorsOrigins.Count > 0) builder.Services.AddCors();
        if (options.OtlpEndpoint is { } endpoint) Telemetry.Export(builder.Services, endpoint, options.OtlpProtocol, ServerVersion.Current.Version);
        AddLogging(builder.Logging, options);
        if (source is not null) builder.Services.AddSingleton(source);
        else builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().UseSockets(Send).ConfigureKestrel(kestrel => Listen(kestrel, options));

        WebApplication app = builder.Build();
        ApiServices api = new(new ModelSlot(), new Admission(options.MaxConcurrentRequests), options, new ServerMetrics(), app.Services.GetRequiredService<FailureLog>());
        app.Services.GetRequiredService<Refusals>().Subscribe(app.Services.GetRequiredService<DiagnosticListener>());
        app.Use(RequestId.Assign);
        app.UseMiddleware<AccessLog>();
        app.UseMiddleware<ErrorMiddleware>();
        if (options.CorsOrigins.Count > 0) app.UseCors(cors => AllowOrigins(cors, options.CorsOrigins));
        app.UseMiddleware<ApiKeys>(options);
        app.UseMiddleware<RateLimit>(options, RateLimit.Limiter(options));
        Routes.Map(app, api);
        try
        {
            await app.StartAsync();
        }
        catch (IOException exception)
        {
            await app.DisposeAsync();
            throw new ConfigException($"{options.Host}:{options.Port} cannot be listened on ({exception.Message}); choose another --host or --port", exception);
        }
        return new LapidaryServer(app, api);
    }

    /// <summary>Ready from now on.</summary>
    /// <param name="model">Still disposed by the caller, after the server.</param>
    public void Serve(ServedModel model)
    {
        api.Metrics.Observe(model);
        api.Slot.Set(model);
    }

    /// <summary>
    /// Takes no new requests and lets the running ones end, within <see cref="ServerOptions.ShutdownTimeout"/>; what runs
    /// still then, or when <paramref name="hurry"/> is requested, is cut off.
    /// </summary>
    public async Task StopAsync(CancellationToken hurry = default)
    {
        await api.Admission.DrainAsync(api.Options.ShutdownTimeout, hurry);
        await app.StopAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        api.Admission.Dispose();
        api.Preparation.Dispose();
        api.Metrics.Dispose();
    }

    private static void AllowOrigins(CorsPolicyBuilder cors, IReadOnlyList<string> origins)
    {
        cors.AllowAnyHeader().AllowAnyMethod().WithExposedHeaders("X-Request-Id", "Retry-After");
        if (origins.Contains("*")) cors.AllowAnyOrigin();
        else cors.WithOrigins([.. origins]);
    }

    private static void AddLogging(ILoggingBuilder logging, ServerOptions options)
    {
        logging.SetMinimumLevel(options.LogLevel);
        logging.AddFilter("Microsoft", LogLevel.Warning);
        if (options.LogFormat == LogFormat.Json)
            logging.AddJsonConsole(json => (json.TimestampFormat, json.UseUtcTimestamp, json.IncludeScopes) = ("yyyy-MM-ddTHH:mm:ss.fffZ", true, false));
        else
            logging.AddSimpleConsole(text => (text.TimestampFormat, text.UseUtcTimestamp, text.SingleLine) = ("HH:mm:ss.fff ", true, true));
        logging.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
    }

    /// <summary>A token is sent by the thread that wrote it. Handing it to another costs a switch for each token of each stream.</summary>
    private static void Send(SocketTransportOptions sockets) => sockets.UnsafePreferInlineScheduling = true;

    private static void Listen(KestrelServerOptions kestrel, ServerOptions options)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = options.MaxBodyBytes;
        // Slow readers are cut off by a time limit on each write: a rate over a stream of small events would say nothing.
        kestrel.Limits.MinResponseDataRate = null;
        TlsCertificate? tls = TlsCertificate.Load(options, DateTimeOffset.UtcNow);
        void Configure(ListenOptions listen)
        {
            if (tls is not null) listen.UseHttps(tls.Certificate, https => (https.SslProtocols, https.ServerCertificateChain) = (SslProtocols.Tls12 | SslProtocols.Tls13, tls.Chain));
            listen.Use(next => connection => RefusalOutput.Wrap(connection, next));
        }
        if (options.Host == "localhost" && options.Port > 0) kestrel.ListenLocalhost(options.Port, Configure);
        else if (options.Host is "*" or "0.0.0.0" or "::") kestrel.ListenAnyIP(options.Port, Configure);
        else if (System.Net.IPAddress.TryParse(options.Host == "localhost" ? "127.0.0.1" : options.Host, out System.Net.IPAddress? address)) kestrel.Listen(address, options.Port, Configure);
        else throw new ConfigException($"--host is {MessageText.Quote(options.Host)}, expected an IP address, localhost, or 0.0.0.0 for all");
    }

    /// <summary>Signals are the composition root's to handle.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
