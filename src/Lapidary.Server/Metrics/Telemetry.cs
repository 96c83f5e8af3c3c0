using System.Diagnostics;
using Lapidary.Scheduling;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Lapidary.Server.Metrics;

/// <summary>OpenTelemetry: spans of generations and the server's metrics, sent only where an endpoint is configured.</summary>
internal static class Telemetry
{
    private static readonly ActivitySource Source = new("Lapidary");

    /// <summary>Exports by OTLP. Without this call nothing leaves the machine, and nothing is recorded.</summary>
    /// <param name="endpoint">Of all signals; over HTTP each has its path below it.</param>
    public static void Export(IServiceCollection services, Uri endpoint, OtlpProtocol protocol, string version) => services.AddOpenTelemetry()
        .ConfigureResource(resource => resource.AddService("lapidary", serviceVersion: version))
        .WithTracing(tracing => tracing.AddSource(Source.Name).AddAspNetCoreInstrumentation().AddOtlpExporter(otlp => Configure(otlp, endpoint, protocol, "v1/traces")))
        .WithMetrics(metrics => metrics.AddMeter(ServerMetrics.MeterName).AddMeter("Microsoft.AspNetCore.Server.Kestrel", "Microsoft.AspNetCore.Hosting").AddOtlpExporter(otlp => Configure(otlp, endpoint, protocol, "v1/metrics")));

    private static void Configure(OtlpExporterOptions otlp, Uri endpoint, OtlpProtocol protocol, string path)
    {
        otlp.Protocol = protocol == OtlpProtocol.Grpc ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf;
        otlp.Endpoint = protocol == OtlpProtocol.Grpc ? endpoint : new Uri($"{endpoint.AbsoluteUri.TrimEnd('/')}/{path}");
    }

    /// <summary>A span for what the engine does for one request, in the words of OpenTelemetry's conventions for generative AI; null when nobody listens.</summary>
    public static Activity? Generation(string model, InferenceRequest request)
    {
        Activity? span = Source.StartActivity($"generate {model}", ActivityKind.Internal);
        span?.SetTag("gen_ai.operation.name", "generate");
        span?.SetTag("gen_ai.request.model", model);
        span?.SetTag("gen_ai.request.max_tokens", request.Sampling.MaxTokens);
        span?.SetTag("gen_ai.request.temperature", request.Sampling.Temperature);
        span?.SetTag("gen_ai.request.choice.count", request.Sampling.N);
        span?.SetTag("gen_ai.usage.input_tokens", request.PromptIds.Length);
        span?.SetTag("lapidary.request.id", request.Id);
        return span;
    }

    public static void Finish(Activity span, Completion completion)
    {
        span.SetTag("gen_ai.usage.output_tokens", (span.GetTagItem("gen_ai.usage.output_tokens") as int? ?? 0) + completion.Usage.CompletionTokens);
        span.SetTag("gen_ai.response.finish_reasons", new[] { Generating.FinishReasons.Word(completion.Reason) });
        span.SetTag("lapidary.queue.seconds", completion.Timings.Queued.TotalSeconds);
        span.SetTag("lapidary.prefill.seconds", completion.Timings.Prefill.TotalSeconds);
        span.SetTag("lapidary.decode.seconds", completion.Timings.Decode.TotalSeconds);
        if (completion.Error is { } error) span.SetStatus(ActivityStatusCode.Error, error.Message);
    }
}
