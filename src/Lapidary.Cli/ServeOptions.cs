using System.CommandLine;

namespace Lapidary.Cli;

/// <summary>Options of <c>lapidary serve</c>; names are vLLM's where it has them.</summary>
internal sealed class ServeOptions
{
    public const string ApiKeyName = "--api-key";

    public Option<string?> Model { get; } = new("--model", "-m") { Description = "Model folder or *.gguf file; the embedded model by default." };
    public Option<string?> Synthetic { get; } = new("--synthetic") { Description = "Random weights of a published shape in place of a model, to try speed and memory: e.g. gemma4-26b-a4b:layers=6. Its text means nothing.", HelpName = "SHAPE" };
    public Option<string?> Format { get; } = new("--format") { Description = "Weight format of synthetic weights; q4_0 by default." };
    public Option<string[]> ServedModelName { get; } = new("--served-model-name") { Description = "Name in the API; several may be given, the first is shown. The folder's name by default." };
    public Option<string?> Host { get; } = new("--host") { Description = "Address to listen on; 127.0.0.1 by default, 0.0.0.0 for all." };
    public Option<int?> Port { get; } = new("--port") { Description = "Port to listen on; 8000 by default, 0 for any free one." };
    public Option<string[]> ApiKey { get; } = new(ApiKeyName) { Description = "Let in only requests with this key; several may be given. Better set as LAPIDARY_API_KEY: command lines are visible to all." };
    public Option<string?> SslCertfile { get; } = new("--ssl-certfile") { Description = "PEM certificate chain, or a .pfx file with certificate and key: serve HTTPS." };
    public Option<string?> SslKeyfile { get; } = new("--ssl-keyfile") { Description = "PEM private key, where the certificate's file does not hold it." };
    public Option<string?> SslKeyfilePassword { get; } = new("--ssl-keyfile-password") { Description = "Password of the private key or the .pfx file. Better set as LAPIDARY_SSL_KEYFILE_PASSWORD: command lines are visible to all." };
    public Option<string[]> CorsOrigin { get; } = new("--cors-origin") { Description = "Web origin that may call from a browser; several may be given, \"*\" for all. None by default." };
    public Option<int?> MaxModelLen { get; } = new("--max-model-len") { Description = "Most tokens of prompt and output together." };
    public Option<int?> MaxNumSeqs { get; } = new("--max-num-seqs") { Description = "Most texts computed at once; 64 by default." };
    public Option<int?> MaxNumBatchedTokens { get; } = new("--max-num-batched-tokens") { Description = "Most tokens of one step; 512 by default." };
    public Option<string?> KvCacheMemory { get; } = new("--kv-cache-memory") { Description = "Memory for keys and values, e.g. 4G; by default what --max-num-seqs texts of full length need, at most a quarter of the machine." };
    public Option<string?> KvCacheDtype { get; } = KvCacheOption.Create();
    public Option<string?> HeadFormat { get; } = HeadFormatOption.Create();
    public Option<int?> MaxQueue { get; } = new("--max-queue") { Description = "Most texts that wait for a place in the batch; 1024 by default. More are answered 503." };
    public Option<string?> PrefixCaching { get; } = new("--prefix-caching") { Description = "on or off; on by default." };
    public Option<string?> ChatTemplate { get; } = new("--chat-template") { Description = "Jinja file in place of the model's chat template." };
    public Option<string?> ToolCallParser { get; } = new("--tool-call-parser") { Description = "Format of tool calls and reasoning; by default that of the model." };
    public Option<string?> ReasoningParser { get; } = new("--reasoning-parser") { Description = "The same as --tool-call-parser: one parser reads both." };
    public Option<string?> GenerationConfig { get; } = new("--generation-config") { Description = "Sampling where a request says nothing: auto for the model's generation_config.json (default), vllm for OpenAI's defaults." };
    public Option<int?> MaxLogprobs { get; } = new("--max-logprobs") { Description = "Most alternatives of each token that a request may ask for; 20 by default, -1 for the whole vocabulary." };
    public Option<int?> Threads { get; } = new("--threads") { Description = "Worker threads; one per processor by default." };
    public Option<bool> Pin { get; } = CpuChoices.PinOption();
    public Option<string?> Arithmetic { get; } = new("--arithmetic") { Description = CpuChoices.AboutArithmetic };
    public Option<string?> ExpertBackend { get; } = new("--expert-backend") { Description = "Force an expert backend (see inspect)." };
    public Option<string?> SpeculativeConfig { get; } = SpeculativeOption.Create();
    public LoraOptions Lora { get; } = new();
    public Option<bool> AllowRuntimeLoraUpdating { get; } = new("--allow-runtime-lora-updating") { Description = "Let clients load adapters from this machine's folders and drop them (POST /v1/load_lora_adapter, /v1/unload_lora_adapter)." };
    public Option<int?> MaxConcurrentRequests { get; } = new("--max-concurrent-requests") { Description = "Most requests at a time, running and waiting; 1024 by default. More are answered 503." };
    public Option<int?> RateLimit { get; } = new("--rate-limit") { Description = "Most requests a minute of each API key (without keys: of each address). More are answered 429." };
    public Option<int?> MaxBodyBytes { get; } = new("--max-body-bytes") { Description = "Largest request body; 33554432 by default." };
    public Option<double?> RequestTimeout { get; } = new("--request-timeout") { Description = "Most seconds from arrival to the last token; none by default." };
    public Option<double?> QueueTimeout { get; } = new("--queue-timeout") { Description = "Most seconds in the queue; none by default." };
    public Option<double?> KeepAliveInterval { get; } = new("--keep-alive-interval") { Description = "Seconds after which a silent stream gets a sign of life (Anthropic's ping, or a comment); 10 by default." };
    public Option<double?> WriteTimeout { get; } = new("--write-timeout") { Description = "Most seconds that one write waits for a client that does not read; 30 by default." };
    public Option<double?> ShutdownTimeout { get; } = new("--shutdown-timeout") { Description = "Most seconds that running requests go on after SIGTERM; 30 by default, 0 ends them at once." };
    public Option<string?> OtlpEndpoint { get; } = new("--otlp-endpoint") { Description = "Send OpenTelemetry traces and metrics to this address by OTLP; nowhere by default." };
    public Option<string?> OtlpProtocol { get; } = new("--otlp-protocol") { Description = "grpc (default; collectors listen on port 4317) or http/protobuf (port 4318)." };
    public Option<string?> LogFormat { get; } = new("--log-format") { Description = "text or json; text by default. Logs go to standard error." };
    public Option<string?> LogLevel { get; } = new("--log-level") { Description = "debug, information, warning, error or none; information by default." };
    public Option<string?> Config { get; } = new("--config") { Description = "JSON file of settings, e.g. {\"port\": 8080}, comments allowed; the command line and the environment win over it." };

    public ServeOptions()
    {
        PrefixCaching.AcceptOnlyFromAmong("on", "off");
        Arithmetic.AcceptOnlyFromAmong(CpuChoices.ArithmeticNames);
        GenerationConfig.AcceptOnlyFromAmong("auto", "vllm");
        OtlpProtocol.AcceptOnlyFromAmong("grpc", "http/protobuf");
        LogFormat.AcceptOnlyFromAmong("text", "json");
        LogLevel.AcceptOnlyFromAmong("debug", "information", "warning", "error", "none");
    }

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[Model, Synthetic, Format, ServedModelName, Host, Port, ApiKey, SslCertfile, SslKeyfile, SslKeyfilePassword, CorsOrigin, MaxModelLen, MaxNumSeqs, MaxNumBatchedTokens,
            KvCacheMemory, KvCacheDtype, HeadFormat, MaxQueue, PrefixCaching, ChatTemplate, ToolCallParser, ReasoningParser, GenerationConfig, MaxLogprobs, Threads, Pin, Arithmetic, ExpertBackend, SpeculativeConfig,
            MaxConcurrentRequests, RateLimit, MaxBodyBytes, RequestTimeout, QueueTimeout, WriteTimeout, KeepAliveInterval, ShutdownTimeout, OtlpEndpoint, OtlpProtocol, LogFormat, LogLevel, Config])
            command.Options.Add(option);
        Lora.AddTo(command);
        command.Options.Add(AllowRuntimeLoraUpdating);
    }

    /// <exception cref="ConfigException">The file or the environment cannot be used.</exception>
    public Settings Read(ParseResult parsed)
        => Settings.Of(parsed, parsed.GetValue(Config) ?? SettingVariables.Read(Config)?[0]);
}
