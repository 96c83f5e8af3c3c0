using System.Text.Json;
using System.Text.Json.Nodes;
using Lapidary.Checkpoints;

namespace Lapidary.Quantization.Encoding;

/// <summary>Choices made when a checkpoint is quantised.</summary>
/// <param name="Ignore">Modules to leave as they are: names, or "re:" and a regular expression.</param>
/// <param name="ShardBytes">Most bytes of one weight file.</param>
public sealed record QuantizeOptions(WeightEncoder Encoder, IReadOnlyList<string> Ignore, long ShardBytes);

/// <summary>One matrix and what rounding changed in it: √(Σ (w - rounded)² / Σ w²).</summary>
public sealed record QuantizedWeight(string Name, int Rows, int Columns, double RelativeError);

/// <summary>What was written.</summary>
/// <param name="Left">Modules of matrices left as they were, with the reason.</param>
public sealed record QuantizeResult(
    string Folder, IReadOnlyList<QuantizedWeight> Weights, IReadOnlyDictionary<string, string> Left, long BytesBefore, long BytesAfter);

/// <summary>
/// Writes a quantised copy of a checkpoint in compressed-tensors' layout, experts as one matrix each. Everything goes to a
/// folder beside the target, which gets its name when it is complete.
/// </summary>
public static class CheckpointQuantizer
{
    /// <param name="folder">config.json and floating-point weights.</param>
    /// <param name="output">Must not exist, or be empty.</param>
    /// <param name="progress">Told (matrices written, matrices in all).</param>
    /// <exception cref="LapidaryException">The source cannot be read or is quantised, or the target cannot be written.</exception>
    public static QuantizeResult Run(string folder, string output, QuantizeOptions options, Action<int, int>? progress, CancellationToken cancel)
    {
        string config = Path.Combine(folder, ModelFiles.Config);
        if (JsonConfig.Load(config, root => QuantizationConfig.Find(root, folder)) is { } quantized)
            throw new CheckpointException($"{folder}: is quantised already ({quantized.Summary}); take the checkpoint that it was made from");
        if (File.Exists(output) || (Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any()))
            throw new CheckpointException($"{output}: exists and is not empty; name another folder");

        using ICheckpoint checkpoint = Checkpoint.Open(folder);
        QuantizationPlan plan = QuantizationPlan.Of(checkpoint, options);
        string target = Path.GetFullPath(output), partial = $"{Path.TrimEndingDirectorySeparator(target)}.partial-{Environment.ProcessId}";
        try
        {
            Directory.CreateDirectory(partial);
            long bytes = WriteWeights(plan, partial, options.ShardBytes, progress, cancel);
            WriteConfig(config, Path.Combine(partial, ModelFiles.Config), plan, options.Encoder);
            foreach (string file in ModelFiles.Beside(folder)) File.Copy(file, Path.Combine(partial, Path.GetFileName(file)));
            cancel.ThrowIfCancellationRequested();
            if (Directory.Exists(target)) Directory.Delete(target); // empty
            Directory.Move(partial, target);
            return new QuantizeResult(
                output, [.. plan.Matrices.Select(matrix => new QuantizedWeight(matrix.Module, matrix.Matrix.Rows, matrix.Matrix.Columns, matrix.Error.Relative))],
                plan.Left, checkpoint.Names.Sum(name => checkpoint.Find(name)!.ByteLength), bytes);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{output}: cannot be written: {exception.Message}", exception);
        }
        finally
        {
            if (Directory.Exists(partial)) Directory.Delete(partial, recursive: true);
        }
    }

    /// <summary>One file, or as many as the limit asks for and their index; returns the bytes of all tensors.</summary>
    private static long WriteWeights(QuantizationPlan plan, string folder, long shardBytes, Action<int, int>? progress, CancellationToken cancel)
    {
        List<List<TensorToWrite>> shards = [[]];
        long inShard = 0, total = 0;
        foreach (IReadOnlyList<TensorToWrite> together in plan.Tensors)
        {
            long bytes = together.Sum(tensor => tensor.ByteLength);
            if (inShard > 0 && inShard + bytes > shardBytes)
            {
                shards.Add([]);
                inShard = 0;
            }
            shards[^1].AddRange(together);
            inShard += bytes;
            total += bytes;
        }
        plan.Written = done =>
        {
            cancel.ThrowIfCancellationRequested();
            progress?.Invoke(done, plan.Matrices.Count);
        };
        Dictionary<string, string> format = new() { ["format"] = "pt" };
        string FileName(int shard) => shards.Count == 1 ? Checkpoint.SingleFile : $"model-{shard + 1:d5}-of-{shards.Count:d5}.safetensors";
        for (int shard = 0; shard < shards.Count; shard++) SafetensorsWriter.WriteFile(Path.Combine(folder, FileName(shard)), shards[shard], format);
        if (shards.Count == 1) return total;

        JsonObject map = [];
        for (int shard = 0; shard < shards.Count; shard++)
            foreach (TensorToWrite tensor in shards[shard].OrderBy(tensor => tensor.Name, StringComparer.Ordinal)) map[tensor.Name] = FileName(shard);
        JsonObject index = new() { ["metadata"] = new JsonObject { ["total_size"] = total }, ["weight_map"] = map };
        ModelFiles.WriteJson(Path.Combine(folder, Checkpoint.IndexFile), index);
        return total;
    }

    private static void WriteConfig(string source, string target, QuantizationPlan plan, WeightEncoder encoder)
    {
        JsonNode root = JsonNode.Parse(File.ReadAllBytes(source), documentOptions: new JsonDocumentOptions { MaxDepth = 32 })!;
        root["quantization_config"] = new JsonObject
        {
            ["quant_method"] = "compressed-tensors",
            ["format"] = encoder.Format,
            ["quantization_status"] = "compressed",
            ["config_groups"] = new JsonObject
            {
                ["group_0"] = new JsonObject
                {
                    ["targets"] = new JsonArray("Linear"),
                    ["weights"] = encoder.Scheme(),
                    ["input_activations"] = null,
                    ["output_activations"] = null,
                },
            },
            ["ignore"] = new JsonArray([.. plan.Left.Keys.Order(StringComparer.Ordinal).Select(name => JsonValue.Create(name))]),
            ["kv_cache_scheme"] = null,
            ["global_compression_ratio"] = null,
        };
        ModelFiles.WriteJson(target, root);
    }
}

/// <summary>The files of a model folder that are not weights.</summary>
internal static class ModelFiles
{
    public const string Config = "config.json";

    private static readonly string[] Extensions = [".json", ".jinja", ".txt", ".model", ".md", ""];

    /// <summary>Tokenizer, template, licence and the like: what a copy with other weights takes over as it is.</summary>
    public static IEnumerable<string> Beside(string folder) => Directory.EnumerateFiles(folder).Where(path =>
        Path.GetFileName(path) is var name && name != Config && !name.EndsWith(".index.json", StringComparison.Ordinal)
        && !name.StartsWith("golden.", StringComparison.Ordinal) // outputs of the weights as they were
        && !name.StartsWith('.') && Extensions.Contains(Path.GetExtension(name)));

    public static void WriteJson(string path, JsonNode node)
    {
        using FileStream stream = File.Create(path);
        using Utf8JsonWriter writer = new(stream, new JsonWriterOptions { Indented = true });
        node.WriteTo(writer);
    }
}
