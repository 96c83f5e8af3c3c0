using System.Text.Json.Nodes;
using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Experts;
using Lapidary.Models;
using Lapidary.Quantization.Encoding;
using Lapidary.Tests.Checkpoints;
using Lapidary.Verification;

namespace Lapidary.Tests.Quantization;

/// <summary>Checkpoints that store gate and up in one format and down in another.</summary>
public sealed class MixedFormatTests : IDisposable
{
    private static readonly string Source = Goldens.Case("moe_silu");

    private readonly CheckpointFolder folder = new();

    public void Dispose() => folder.Dispose();

    /// <summary>Every backend that says it serves such layers computes what the reference computes.</summary>
    [Fact]
    public void Backends_that_serve_two_formats_agree_with_the_reference()
    {
        Merge(new IntegerEncoder(4, 32, ZeroPointKind.PerGroup), new IntegerEncoder(8, 0, ZeroPointKind.None));
        using CpuKernels kernels = new(threads: 1);
        IReadOnlyList<ExpertLayerSpec> specs = Specs();
        Assert.Equal(["int8 per channel", "uint4 g32 with zero points"], specs.Select(spec => spec.Weights.Name).Order(StringComparer.Ordinal));
        ModelVariant reference = ModelVariant.Parse(["backend=reference"]);
        EvaluationText text = EvaluationText.Of([.. Enumerable.Range(0, 20).Select(i => 3 + i * 37 % 250)], [2], 64);
        int compared = 0;
        foreach (IExpertBackend backend in kernels.ExpertBackends.Where(b => specs.All(spec => b.Supports(spec).Supported)))
        {
            using MeasuredModel a = MeasuredModel.Open(folder.Path, reference, kernels, 64), b = MeasuredModel.Open(folder.Path, ModelVariant.Parse([$"backend={backend.Name}"]), kernels, 64);
            double divergence = QualityComparison.Run(a, b, text, 1).Kl.Max;
            double bound = backend.HiddenStates(specs[0].Weights).Type switch { DType.F32 => 1e-8, DType.BF16 => 1e-3, _ => 0.05 };
            Assert.True(divergence < bound, $"{backend.Name} diverges by {divergence}");
            compared++;
        }
        Assert.True(compared >= 4, $"{compared} backends");
    }

    [Fact]
    public void A_backend_is_chosen_that_serves_both_formats()
    {
        Merge(new IntegerEncoder(4, 32, ZeroPointKind.None), other: null);
        using CpuKernels kernels = new(threads: 1);
        ExpertSelection selection = Lapidary.Experts.ExpertBackends.Select(kernels.ExpertBackends, Specs(), forced: null);
        Assert.All(Specs(), spec => Assert.True(selection.Chosen.Supports(spec).Supported));
        Assert.Contains(selection.Answers, answer => !answer.Support.Supported); // one of 4-bit codes alone was passed over
        using LanguageModel model = LanguageModel.Open(folder.Path, kernels, new LanguageModelOptions());
        Assert.Equal(selection.Chosen.Name, model.Network.Experts!.Chosen.Name);
        string passed = selection.Answers.First(answer => !answer.Support.Supported).Backend.Name;
        Assert.Throws<BackendException>(() => LanguageModel.Open(folder.Path, kernels, new LanguageModelOptions { ExpertBackend = passed }));
    }

    private IReadOnlyList<ExpertLayerSpec> Specs()
    {
        Gemma4Config config = Gemma4ConfigReader.Load(folder.Path);
        using ICheckpoint checkpoint = Checkpoint.Open(folder.Path);
        return Gemma4.ExpertSpecs(config, new TensorSource(checkpoint, config.Quantization), maxLoras: 0);
    }

    /// <summary>One copy with down_proj of the experts in another format, or as it was.</summary>
    private void Merge(WeightEncoder encoder, WeightEncoder? other)
    {
        string[] down = ["re:.*experts.*down_proj"];
        CheckpointQuantizer.Run(Source, folder["first"], new QuantizeOptions(encoder, down, long.MaxValue), null, CancellationToken.None);
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder["first"], "config.json")))!;
        using ICheckpoint first = Checkpoint.Open(folder["first"]);
        List<TensorToWrite> tensors = [.. first.Names.Where(name => other is null || !IsDown(name)).Select(name => TensorToWrite.From(first.Find(name)!))];
        ICheckpoint? second = null;
        if (other is not null)
        {
            CheckpointQuantizer.Run(Source, folder["second"], new QuantizeOptions(other, [], long.MaxValue), null, CancellationToken.None);
            second = Checkpoint.Open(folder["second"]);
            tensors.AddRange(second.Names.Where(IsDown).Select(name => TensorToWrite.From(second.Find(name)!)));
            JsonNode quantization = config["quantization_config"]!;
            quantization["ignore"] = new JsonArray("lm_head", "re:.*router.*");
            quantization["config_groups"]!["group_1"] = JsonNode.Parse(File.ReadAllText(Path.Combine(folder["second"], "config.json")))!["quantization_config"]!["config_groups"]!["group_0"]!.DeepClone();
            quantization["config_groups"]!["group_1"]!["targets"] = new JsonArray(down[0]);
        }
        using (second) SafetensorsWriter.WriteFile(folder[Checkpoint.SingleFile], tensors);
        folder.Write("config.json", config.ToJsonString());
    }

    private static bool IsDown(string name) => name.Contains(".experts.", StringComparison.Ordinal) && name.Contains("down_proj", StringComparison.Ordinal);
}
