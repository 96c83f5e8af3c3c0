using System.Text.Json.Nodes;
using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Models;
using Lapidary.Quantization;
using Lapidary.Quantization.Encoding;
using Lapidary.Tests.Checkpoints;
using Lapidary.Verification;

namespace Lapidary.Tests.Quantization;

/// <summary>Quantised copies: every weight is the nearest there is, the folder is complete or not there, and it loads.</summary>
public sealed class QuantizeTests : IDisposable
{
    private static readonly string Source = Goldens.Case("moe_silu");

    private readonly CheckpointFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static readonly Dictionary<string, WeightEncoder> Encoders = new()
    {
        ["int4 g32"] = new IntegerEncoder(4, 32, ZeroPointKind.None),
        ["int4 g32 asymmetric"] = new IntegerEncoder(4, 32, ZeroPointKind.PerGroup),
        ["int3 g16 asymmetric"] = new IntegerEncoder(3, 16, ZeroPointKind.PerGroup),
        ["int2 per channel"] = new IntegerEncoder(2, 0, ZeroPointKind.None),
        ["int5 per channel asymmetric"] = new IntegerEncoder(5, 0, ZeroPointKind.PerGroup),
        ["int8 per channel"] = new IntegerEncoder(8, 0, ZeroPointKind.None),
        ["fp8 per channel"] = new Fp8Encoder(0),
        ["fp8 in blocks"] = new Fp8Encoder(20),
        ["nvfp4"] = Fp4Encoder.Nvfp4,
        ["mxfp4"] = Fp4Encoder.Mxfp4,
    };

    public static TheoryData<string> Names => [.. Encoders.Keys];

    private QuantizeResult Quantise(WeightEncoder encoder, string name = "out", string[]? ignore = null, long shardBytes = long.MaxValue)
        => CheckpointQuantizer.Run(Source, folder[name], new QuantizeOptions(encoder, ignore ?? [], shardBytes), progress: null, CancellationToken.None);

    [Theory, MemberData(nameof(Names))]
    public void Each_weight_is_the_nearest_number_and_the_error_is_what_it_is_said_to_be(string name)
    {
        QuantizeResult result = Quantise(Encoders[name]);
        using ICheckpoint before = Checkpoint.Open(Source), after = Checkpoint.Open(folder["out"]);
        Gemma4Config config = Gemma4ConfigReader.Load(folder["out"]);
        TensorSource source = new(after, config.Quantization);
        Assert.NotEmpty(result.Weights);
        foreach (QuantizedWeight weight in result.Weights)
        {
            QuantizedMatrix matrix = Assert.IsAssignableFrom<QuantizedMatrix>(source.Matrix(weight.Name[source.Prefix.Length..], weight.Rows, weight.Columns));
            StoredMatrix original = Original(before, weight);
            double error = 0, total = 0;
            float[] was = new float[weight.Columns], now = new float[weight.Columns], scales = new float[matrix.Groups], offsets = new float[matrix.Groups];
            for (int row = 0; row < weight.Rows; row++)
            {
                original.ReadRow(row, was);
                matrix.ReadRow(row, now);
                matrix.ReadScales(row, scales, offsets);
                for (int i = 0; i < was.Length; i++)
                {
                    double difference = Math.Abs((double)was[i] - now[i]);
                    error += difference * difference;
                    total += (double)was[i] * was[i];
                    if (i % 5 == row % 5) AssertNearest(matrix, was[i], difference, scales[i / matrix.GroupSize], offsets[i / matrix.GroupSize]);
                }
            }
            Assert.Equal(Math.Sqrt(error / total), weight.RelativeError, 1e-6);
        }
    }

    private static void AssertNearest(QuantizedMatrix matrix, float weight, double difference, float scale, float offset)
    {
        foreach (float number in matrix.Code.Values)
            Assert.False(Math.Abs(weight - (double)(number * scale + offset)) < difference - 1e-6 * scale * 16, $"{matrix.Name}: {weight} was {difference} off, {number} is nearer");
    }

    private static StoredMatrix Original(ICheckpoint checkpoint, QuantizedWeight weight)
    {
        if (checkpoint.Find(weight.Name + ".weight") is { } dense) return new DenseMatrix(dense);
        string[] parts = weight.Name.Split('.');
        string experts = string.Join('.', parts[..^2]);
        int expert = int.Parse(parts[^2]);
        if (parts[^1] == "down_proj") return new DenseMatrix(checkpoint.Find($"{experts}.down_proj")![expert]);
        return new DenseMatrix(checkpoint.Find($"{experts}.gate_up_proj")![expert].Rows(parts[^1] == "gate_proj" ? 0 : weight.Rows, weight.Rows));
    }

    /// <summary>Fewer bits cost more, and eight cost little: the copy is of this model and no other.</summary>
    [Fact]
    public void The_copy_computes_nearly_what_the_model_computes()
    {
        Quantise(Encoders["int8 per channel"], "int8");
        Quantise(Encoders["int2 per channel"], "int2");
        double eight = Divergence("int8"), two = Divergence("int2");
        Assert.InRange(eight, 0, 1e-3);
        Assert.InRange(two, 100 * eight, double.PositiveInfinity);
    }

    private double Divergence(string name)
    {
        using CpuKernels kernels = new(threads: 1);
        ModelVariant asIs = ModelVariant.Parse([]);
        using MeasuredModel a = MeasuredModel.Open(Source, asIs, kernels, 64), b = MeasuredModel.Open(folder[name], asIs, kernels, 64);
        EvaluationText text = EvaluationText.Of([.. Enumerable.Range(0, 60).Select(i => 3 + i * 37 % 250)], [2], 64);
        return QualityComparison.Run(a, b, text, 1).Kl.Mean;
    }

    [Fact]
    public void A_small_limit_gives_several_files_with_the_same_tensors()
    {
        QuantizeResult whole = Quantise(Encoders["int4 g32"], "whole"), sharded = Quantise(Encoders["int4 g32"], "sharded", shardBytes: 20_000);
        Assert.False(File.Exists(Path.Combine(folder["sharded"], Checkpoint.SingleFile)));
        Assert.Equal(whole.BytesAfter, sharded.BytesAfter);
        using ICheckpoint one = Checkpoint.Open(folder["whole"]), many = Checkpoint.Open(folder["sharded"]);
        Assert.Equal(one.Names.Order(), many.Names.Order());
        Assert.True(Directory.GetFiles(folder["sharded"], "*.safetensors").Length > 2);
        Assert.All(Directory.GetFiles(folder["sharded"], "*.safetensors"), file => Assert.InRange(new FileInfo(file).Length, 1, 70_000)); // an embedding is larger than the limit by itself
        foreach (string name in one.Names)
            Assert.True(one.Find(name)!.Bytes(0, (int)one.Find(name)!.ByteLength).SequenceEqual(many.Find(name)!.Bytes(0, (int)many.Find(name)!.ByteLength)), name);
    }

    [Fact]
    public void What_is_left_is_named_in_the_configuration()
    {
        QuantizeResult result = Quantise(Encoders["mxfp4"], ignore: ["re:.*self_attn.*", "model.layers.1.mlp.up_proj"]);
        Assert.Equal("ignored on request", result.Left["model.layers.0.self_attn.q_proj"]);
        Assert.Equal("ignored on request", result.Left["model.layers.1.mlp.up_proj"]);
        Assert.Equal("kept precise", result.Left["model.layers.0.router.proj"]);
        Assert.Contains("not a multiple of 32", result.Left["model.layers.0.mlp.down_proj"], StringComparison.Ordinal); // 48 columns
        JsonNode written = JsonNode.Parse(File.ReadAllText(Path.Combine(folder["out"], "config.json")))!;
        Assert.Equal(result.Left.Keys.Order(StringComparer.Ordinal), written["quantization_config"]!["ignore"]!.AsArray().Select(name => name!.GetValue<string>()));
        Assert.Equal("silu", written["hidden_activation"]!.GetValue<string>());
        using CpuKernels kernels = new(threads: 1);
        using LanguageModel model = LanguageModel.Open(folder["out"], kernels, new LanguageModelOptions());
    }

    [Fact]
    public void Files_beside_the_weights_come_along_but_not_outputs_of_the_old_weights()
    {
        Quantise(Encoders["fp8 per channel"]);
        Assert.Equal(["config.hf_saved.json", "config.json", "generation_config.json", "meta.json", "model.safetensors"], Directory.GetFiles(folder["out"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_run_that_is_cancelled_leaves_nothing()
    {
        using CancellationTokenSource cancel = new();
        Assert.Throws<OperationCanceledException>(() => CheckpointQuantizer.Run(
            Source, folder["out"], new QuantizeOptions(Encoders["int4 g32"], [], long.MaxValue), (done, _) => { if (done == 3) cancel.Cancel(); }, cancel.Token));
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void A_weight_that_is_not_a_number_is_refused_and_nothing_is_left()
    {
        Directory.CreateDirectory(folder["source"]);
        File.Copy(Path.Combine(Source, "config.json"), Path.Combine(folder["source"], "config.json"));
        using (ICheckpoint good = Checkpoint.Open(Source))
            SafetensorsWriter.WriteFile(Path.Combine(folder["source"], Checkpoint.SingleFile), good.Names.Select(name => name.EndsWith("1.mlp.up_proj.weight", StringComparison.Ordinal)
                ? TensorToWrite.From(good.Find(name)!) with { WriteBytes = stream => stream.Write([.. Enumerable.Repeat((byte)0xff, (int)good.Find(name)!.ByteLength)]) }
                : TensorToWrite.From(good.Find(name)!)));
        string message = Assert.Throws<CheckpointException>(() => CheckpointQuantizer.Run(
            folder["source"], folder["out"], new QuantizeOptions(Encoders["int4 g32"], [], long.MaxValue), null, CancellationToken.None)).Message;
        Assert.Contains("model.layers.1.mlp.up_proj.weight", message, StringComparison.Ordinal);
        Assert.Equal([folder["source"]], Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void A_target_in_use_a_quantised_source_and_a_name_that_is_not_there_are_refused()
    {
        Quantise(Encoders["int4 g32"]);
        Assert.Contains("not empty", Assert.Throws<CheckpointException>(() => Quantise(Encoders["int4 g32"])).Message, StringComparison.Ordinal);
        Assert.Contains("quantised already", Assert.Throws<CheckpointException>(() => CheckpointQuantizer.Run(
            folder["out"], folder["again"], new QuantizeOptions(Encoders["int4 g32"], [], long.MaxValue), null, CancellationToken.None)).Message, StringComparison.Ordinal);
        Assert.Contains("\"q_prjo\" names no weight", Assert.Throws<RequestException>(() => Quantise(Encoders["int4 g32"], "other", ["q_prjo"])).Message, StringComparison.Ordinal);
        Directory.CreateDirectory(folder["empty"]);
        Quantise(Encoders["int4 g32"], "empty");
    }
}
