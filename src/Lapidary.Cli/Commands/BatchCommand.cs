using System.CommandLine;
using System.Runtime.CompilerServices;
using Lapidary.Cli.Batch;
using Lapidary.Cpu;
using Lapidary.Models;
using Lapidary.Scheduling;
using Lapidary.Server;
using Lapidary.Server.Local;
using Microsoft.Extensions.Logging;

namespace Lapidary.Cli.Commands;

/// <summary>Answers a file of requests without a server.</summary>
internal static class BatchCommand
{
    private const string Help = """
        Answer a file of requests in OpenAI's batch format: one line for each, {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {…}}.
        Results are written as they come. The same command again goes on where an interrupted one stopped.
        """;

    public static Command Create()
    {
        Argument<string> input = new("input") { Description = "File of requests.", HelpName = "IN.jsonl" };
        Argument<string> output = new("output") { Description = "File of results.", HelpName = "OUT.jsonl" };
        Option<string?> model = new("--model", "-m") { Description = "Model folder; the embedded model by default." };
        Option<string[]> names = new("--served-model-name") { Description = "Model name that requests use; several may be given. The folder's name by default." };
        Option<int?> context = new("--max-model-len") { Description = "Most tokens of prompt and output together." };
        Option<int> sequences = new("--max-num-seqs") { Description = "Most texts computed at once.", DefaultValueFactory = _ => new EngineOptions().MaxNumSeqs };
        Option<int> tokens = new("--max-num-batched-tokens") { Description = "Most tokens of one step.", DefaultValueFactory = _ => new EngineOptions().MaxNumBatchedTokens };
        Option<string?> kvCacheDtype = KvCacheOption.Create();
        Option<string?> headFormat = HeadFormatOption.Create();
        Option<int?> threads = new("--threads") { Description = "Worker threads; one per processor by default." };
        Option<string?> backend = new("--expert-backend") { Description = "Force an expert backend (see inspect)." };
        Option<string?> speculative = SpeculativeOption.Create();
        Command command = new("batch", Help) { input, output, model, names, context, sequences, tokens, kvCacheDtype, headFormat, threads, backend, speculative };
        command.SetAction((parsed, cancel) => Run(
            new BatchFiles(parsed.GetValue(input)!, parsed.GetValue(output)!),
            parsed.GetValue(model) ?? DefaultModel.Locate(),
            parsed.GetValue(names) ?? [],
            new EngineOptions { MaxNumSeqs = parsed.GetValue(sequences), MaxNumBatchedTokens = parsed.GetValue(tokens), MaxWaiting = 1 << 20 },
            new LanguageModelOptions
            {
                ContextLength = parsed.GetValue(context),
                KeyValueType = KvCacheOption.Parse(parsed.GetValue(kvCacheDtype)),
                HeadFormat = HeadFormatOption.Parse(parsed.GetValue(headFormat)),
                ExpertBackend = parsed.GetValue(backend),
                Speculative = SpeculativeOption.Parse(parsed.GetValue(speculative)),
            },
            parsed.GetValue(threads),
            cancel));
        return command;
    }

    private sealed record BatchFiles(string Input, string Output);

    // Kept out of line: the other commands must not load ASP.NET when this class is compiled.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<int> Run(
        BatchFiles files, string folder, string[] names, EngineOptions limits, LanguageModelOptions options, int? threads, CancellationToken cancel)
    {
        if (Path.GetFullPath(files.Input) == Path.GetFullPath(files.Output)) throw new RequestException("input and output are the same file; results need their own");
        int total = BatchRun.Count(files.Input);
        using BatchOutput output = BatchOutput.Open(files.Output);
        using CpuKernels kernels = Devices.CpuFor(folder, threads);
        ProgressBar loading = new("loading", "layer");
        using LanguageModel model = LanguageModel.Open(folder, kernels, limits.Sized(options with { Progress = loading.Update }));
        loading.Clear();
        using EngineLoop engine = new(model, limits);
        string[] served = names.Length > 0 ? names : [Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)))];
        int atATime = 2 * limits.MaxNumSeqs; // so that a text that ends has a successor ready
        ServerOptions api = new() { ServedModelNames = served, MaxConcurrentRequests = atATime, MaxBodyBytes = int.MaxValue, LogLevel = LogLevel.None };
        await using LocalApi local = await LocalApi.StartAsync(api, new ServedModel(model, engine, served));
        ProgressBar bar = new("answering", "request");
        try
        {
            BatchCounts counts = await BatchRun.RunAsync(files.Input, total, output, local, atATime, bar.Update, cancel);
            bar.Clear();
            string earlier = counts.Resumed > 0 ? $", {counts.Resumed} were there already" : "";
            Console.Error.WriteLine($"{counts.Succeeded} answered, {counts.Failed} failed{earlier}; results in {files.Output}");
            return counts.Failed == 0 ? 0 : 1;
        }
        catch (OperationCanceledException)
        {
            bar.Clear();
            Console.Error.WriteLine($"interrupted; what was answered is in {files.Output}, and the same command goes on from there");
            throw;
        }
    }
}
