using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Experts;
using Lapidary.Models;
using Spectre.Console;

namespace Lapidary.Cli.Commands;

/// <summary>What a model folder holds and what would serve it.</summary>
internal static class InspectCommand
{
    public static Command Create()
    {
        Argument<string?> folder = new("model") { Description = "Model folder; the embedded model by default.", Arity = ArgumentArity.ZeroOrOne };
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
    IReadOnlyList<BackendFacts> ExpertBackends)
{
    public static ModelFacts Of(string folder)
    {
        Gemma4Config config = Gemma4ConfigReader.Load(folder);
        using ICheckpoint checkpoint = Checkpoint.Open(folder);
        StoredTensor[] tensors = [.. checkpoint.Names.Select(name => checkpoint.Find(name)!)];
        using CpuKernels kernels = new(threads: 1);
        return new ModelFacts(
            folder, config.Layers.Count, config.Layers.Count(l => !l.IsFull), config.Layers.Count(l => l.IsFull),
            config.Layers.Count(l => l.SharesKeyValues), config.HiddenSize, config.VocabSize, config.MaxPositionEmbeddings,
            config.SlidingWindow, config.HiddenActivation.Name, config.HiddenActivation.Info.Source, config.Experts?.NumExperts,
            config.Experts?.TopKExperts, config.Experts?.MoeIntermediateSize, config.HiddenSizePerLayerInput, config.FinalLogitSoftcapping,
            config.Quantization is null ? tensors.Sum(t => t.ElementCount) : null, config.Quantization?.Summary, [.. config.Quantization?.Notices.Distinct() ?? []],
            tensors.Sum(t => t.ByteLength),
            tensors.GroupBy(t => t.DType.ToString()).ToDictionary(g => g.Key, g => g.Sum(t => t.ByteLength)), Backends(checkpoint, config, kernels));
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
    }

    private static List<BackendFacts> Backends(ICheckpoint checkpoint, Gemma4Config config, CpuKernels kernels)
    {
        IReadOnlyList<ExpertLayerSpec> specs = Gemma4.ExpertSpecs(config, new TensorSource(checkpoint, config.Quantization), maxLoras: 0);
        if (specs.Count == 0) return [];
        ExpertSelection selection = Lapidary.Experts.ExpertBackends.Select(kernels.ExpertBackends, specs, forced: null);
        return [.. selection.Answers.Select(a => new BackendFacts(a.Backend.Name, a.Backend == selection.Chosen, a.Support.ToString(), a.Backend.Purpose))];
    }
}
