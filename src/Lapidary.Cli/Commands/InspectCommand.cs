using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Lapidary.Cpu;
using Lapidary.Experts;
using Lapidary.KvCache;
using Lapidary.Models;
using Spectre.Console;

namespace Lapidary.Cli.Commands;

/// <summary>What a model folder holds and what would serve it.</summary>
internal static class InspectCommand
{
    public static Command Create()
    {
        Argument<string?> folder = new("model") { Description = "Model folder or *.gguf file; the embedded model by default.", Arity = ArgumentArity.ZeroOrOne };
        Option<bool> json = new("--json") { Description = "One JSON object." };
        Command command = new("inspect", "Show a model's structure, sizes, activation and expert backends.") { folder, json };
        command.SetAction(parsed =>
        {
            ModelFacts facts = ModelFacts.Of(parsed.GetValue(folder) ?? DefaultModel.Locate());
            if (parsed.GetValue(json)) Console.WriteLine(JsonSerializer.Serialize(facts, CliJson.Default.ModelFacts));
            else Print(facts);
        });
        return command;
    }

    private static void Print(ModelFacts facts)
    {
        Table table = new Table().Border(TableBorder.Rounded).HideHeaders().AddColumns("", "");
        foreach ((string name, string value) in facts.Rows()) table.AddRow(Markup.Escape(name), Markup.Escape(value));
        AnsiConsole.Write(table);
        if (facts.ExpertBackends.Count == 0) return;
        Table backends = new Table().Border(TableBorder.Rounded).AddColumns("expert backend", "serves this model", "what it is");
        foreach (BackendFacts backend in facts.ExpertBackends)
            backends.AddRow(Markup.Escape(backend.Name + (backend.Chosen ? " (chosen)" : "")), Markup.Escape(backend.Answer), Markup.Escape(backend.Purpose));
        AnsiConsole.Write(backends);
    }
}

internal sealed record BackendFacts(string Name, bool Chosen, string Answer, string Purpose);

/// <summary>What <c>inspect</c> prints.</summary>
internal sealed record ModelFacts(
    string Model, int Layers, int SlidingLayers, int FullLayers, int KvSharedLayers, int HiddenSize, int VocabSize, int Context,
    int SlidingWindow, string HiddenActivation, string ActivationSource, int? NumExperts, int? TopKExperts, int? MoeIntermediateSize,
    int PerLayerInput, float? FinalLogitSoftcapping, long? Parameters, string? Quantization, IReadOnlyList<string> Notices, long Bytes, IReadOnlyDictionary<string, long> BytesByDtype,
    string KvCacheDtype, int KvCacheTokens, IReadOnlyDictionary<string, long> KvCacheBytes,
    IReadOnlyList<BackendFacts> ExpertBackends)
{
    public static ModelFacts Of(string path)
    {
        using ModelFiles files = ModelFiles.Open(path);
        Gemma4Config config = files.Config;
        IReadOnlyList<StoredPart> parts = files.Parts;
        using CpuKernels kernels = new(new CpuOptions { Threads = 1, Arithmetic = CpuChoices.ArithmeticOf(path) });
        LanguageModelOptions defaults = new();
        int context = defaults.ContextOf(config);
        return new ModelFacts(
            path, config.Layers.Count, config.Layers.Count(l => !l.IsFull), config.Layers.Count(l => l.IsFull),
            config.Layers.Count(l => l.SharesKeyValues), config.HiddenSize, config.VocabSize, config.MaxPositionEmbeddings,
            config.SlidingWindow, config.HiddenActivation.Name, config.HiddenActivation.Info.Source, config.Experts?.NumExperts,
            config.Experts?.TopKExperts, config.Experts?.MoeIntermediateSize, config.HiddenSizePerLayerInput, config.FinalLogitSoftcapping,
            config.Quantization is null ? parts.Sum(part => part.Elements) : null, config.Quantization?.Summary, [.. config.Quantization?.Notices.Distinct() ?? []],
            parts.Sum(part => part.Bytes), parts.GroupBy(part => part.Type).ToDictionary(g => g.Key, g => g.Sum(part => part.Bytes)),
            kernels.DefaultKeyValueType.Name(), context, Enum.GetValues<KeyValueType>().ToDictionary(
                type => type.Name(), type => CacheSize.ForSequences(config, type, context, Math.Min(context, defaults.MaxStepTokens), 1).Bytes(config)),
            Backends(files, kernels));
    }

    public IEnumerable<(string, string)> Rows()
    {
        yield return ("model", Model);
        yield return ("layers", $"{Layers}: {SlidingLayers} sliding (window {SlidingWindow}), {FullLayers} full{(KvSharedLayers > 0 ? $", {KvSharedLayers} sharing keys and values" : "")}");
        yield return ("hidden size, vocabulary, context", $"{HiddenSize}, {VocabSize}, {Context}");
        yield return ("activation", $"{HiddenActivation} ({ActivationSource})");
        yield return ("experts", NumExperts is null ? "none" : $"{NumExperts} of width {MoeIntermediateSize}, {TopKExperts} per token, beside a dense MLP");
        if (PerLayerInput > 0) yield return ("per-layer embeddings", $"width {PerLayerInput}");
        if (FinalLogitSoftcapping is { } cap) yield return ("logit softcap", cap.ToString(CultureInfo.InvariantCulture));
        if (Parameters is { } parameters) yield return ("parameters", string.Create(CultureInfo.InvariantCulture, $"{parameters / 1e6:0.00} million"));
        if (Quantization is not null) yield return ("quantised", Quantization);
        foreach (string notice in Notices) yield return ("note", notice);
        yield return ("weights", string.Create(CultureInfo.InvariantCulture, $"{Bytes / 1e6:0.0} MB ({string.Join(", ", BytesByDtype.Select(d => d.Key))})"));
        yield return ("keys and values", $"of a text of {KvCacheTokens} tokens: {string.Join(", ", KvCacheBytes.Select(b => Cache(b.Key, b.Value, b.Key == KvCacheDtype ? " (chosen)" : "")))}");
    }

    private static string Cache(string type, long bytes, string suffix) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0.0} MB in {type}{suffix}");

    private static List<BackendFacts> Backends(ModelFiles files, CpuKernels kernels)
    {
        IReadOnlyList<ExpertLayerSpec> specs = Gemma4.ExpertSpecs(files.Config, files.Weights, maxLoras: 0);
        if (specs.Count == 0) return [];
        ExpertSelection selection = Lapidary.Experts.ExpertBackends.Select(kernels.ExpertBackends, specs, forced: null);
        return [.. selection.Answers.Select(a => new BackendFacts(a.Backend.Name, a.Backend == selection.Chosen, a.Support.ToString(), a.Backend.Purpose))];
    }
}
