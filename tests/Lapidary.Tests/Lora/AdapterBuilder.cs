using System.Text.Json.Nodes;
using Lapidary.Checkpoints;
using Lapidary.Tests.Checkpoints;

namespace Lapidary.Tests.Lora;

/// <summary>
/// Makes an adapter of random matrices in the layouts of PEFT, and beside it the checkpoint with the same updates merged
/// into its weights in float64: W + scale · B · A. Shares no code with the product but the file writer.
/// </summary>
internal sealed class AdapterBuilder(string baseFolder, int seed) : IDisposable
{
    private readonly Random random = new(seed);
    private readonly CheckpointFolder adapter = new(), merged = new();
    private readonly List<TensorToWrite> tensors = [];
    private readonly Dictionary<string, double[]> weights = []; // of tensors that were changed
    private readonly ICheckpoint original = Checkpoint.Open(baseFolder);

    public int R { get; set; } = 4;
    public double Alpha { get; set; } = 8;
    public bool UseRsLora { get; set; }
    public string? PeftVersion { get; set; } = "0.21.0";
    public string[] TargetParameters { get; init; } = [];
    public Dictionary<string, int> RankPattern { get; } = [];
    public Dictionary<string, double> AlphaPattern { get; } = [];

    /// <summary>What names begin with: "base_model.model." and where the trained model kept its text part.</summary>
    public string Prefix { get; set; } = "base_model.model.model.";
    public DType DType { get; set; } = DType.F32;
    public string AdapterFolder => adapter.Path;
    public string MergedFolder => merged.Path;
    public IList<TensorToWrite> Tensors => tensors;

    private int Rank(string module) => RankPattern.GetValueOrDefault(module, R);

    private double Scale(string module)
        => AlphaPattern.GetValueOrDefault(module, Alpha) / (UseRsLora ? Math.Sqrt(Rank(module)) : Rank(module));

    /// <summary>adapter_config.json.</summary>
    public JsonObject Config() => new()
    {
        ["peft_type"] = "LORA",
        ["peft_version"] = PeftVersion,
        ["base_model_name_or_path"] = "some/model",
        ["r"] = R,
        ["lora_alpha"] = Alpha,
        ["use_rslora"] = UseRsLora,
        ["target_modules"] = new JsonArray("q_proj"),
        ["target_parameters"] = new JsonArray([.. TargetParameters.Select(name => (JsonNode?)name)]),
        ["rank_pattern"] = new JsonObject(RankPattern.Select(p => KeyValuePair.Create(p.Key, (JsonNode?)p.Value))),
        ["alpha_pattern"] = new JsonObject(AlphaPattern.Select(p => KeyValuePair.Create(p.Key, (JsonNode?)p.Value))),
    };

    /// <summary>An update of "model.{module}.weight".</summary>
    public AdapterBuilder Linear(string module)
    {
        StoredTensor weight = original.Find($"model.{module}.weight")!;
        (int rows, int columns, int r) = ((int)weight.Shape[0], (int)weight.Shape[1], Rank(module));
        double[] a = Tensor($"{Prefix}{module}.lora_A.weight", 0.3, r, columns), b = Tensor($"{Prefix}{module}.lora_B.weight", 0.1, rows, r);
        Merge($"model.{module}.weight", (o, i) => Scale(module) * Dot(r, j => b[o * r + j] * a[j * columns + i]), 0, rows, columns);
        return this;
    }

    /// <summary>An update of a table's rows; the merged model has its head apart.</summary>
    public AdapterBuilder Embedding(string module)
    {
        StoredTensor table = original.Find($"model.{module}.weight")!;
        (int rows, int columns, int r) = ((int)table.Shape[0], (int)table.Shape[1], Rank(module));
        double[] a = Tensor($"{Prefix}{module}.lora_embedding_A", 0.3, r, rows), b = Tensor($"{Prefix}{module}.lora_embedding_B", 0.1, columns, r);
        Merge($"model.{module}.weight", (row, column) => Scale(module) * Dot(r, j => b[column * r + j] * a[j * rows + row]), 0, rows, columns);
        return this;
    }

    /// <summary>An update of a table as PEFT saves it when the parameter is targeted, not the module.</summary>
    public AdapterBuilder EmbeddingParameter(string module)
    {
        StoredTensor table = original.Find($"model.{module}.weight")!;
        (int rows, int columns, int r) = ((int)table.Shape[0], (int)table.Shape[1], Rank(module));
        double[] a = Tensor($"{Prefix}{module}.lora_A.weight", 0.3, r, columns), b = Tensor($"{Prefix}{module}.lora_B.weight", 0.1, rows, r);
        Merge($"model.{module}.weight", (row, column) => Scale(module) * Dot(r, j => b[row * r + j] * a[j * columns + column]), 0, rows, columns);
        return this;
    }

    /// <summary>An update of the head; the merged model has it apart from the embedding.</summary>
    public AdapterBuilder Head()
    {
        StoredTensor table = original.Find("model.embed_tokens.weight")!;
        (int rows, int columns, int r) = ((int)table.Shape[0], (int)table.Shape[1], Rank("lm_head"));
        double[] a = Tensor("base_model.model.lm_head.lora_A.weight", 0.3, r, columns), b = Tensor("base_model.model.lm_head.lora_B.weight", 0.1, rows, r);
        weights["lm_head.weight"] = Values(table);
        Merge("lm_head.weight", (o, i) => Scale("lm_head") * Dot(r, j => b[o * r + j] * a[j * columns + i]), 0, rows, columns);
        return this;
    }

    /// <summary>An update of a three-dimensional parameter, "layers.N.experts.gate_up_proj" or "….down_proj".</summary>
    /// <param name="wrapper">"experts" or "experts.base_layer", as wrappers nest.</param>
    /// <param name="element">Where element (out, rank, expert) of B lies; PEFT: (out · r + rank) · experts + expert.</param>
    public AdapterBuilder Stacked(string parameter, string wrapper, Func<int, int, int, int, int, int>? element = null)
    {
        StoredTensor weight = original.Find($"model.{parameter}")!;
        (int experts, int rows, int columns, int r) = ((int)weight.Shape[0], (int)weight.Shape[1], (int)weight.Shape[2], Rank(parameter));
        string module = parameter[..parameter.IndexOf("experts", StringComparison.Ordinal)] + wrapper;
        double[] a = Tensor($"{Prefix}{module}.lora_A.weight", 0.3, experts * r, columns), b = Tensor($"{Prefix}{module}.lora_B.weight", 0.1, rows, r * experts);
        element ??= (o, j, e, rank, count) => (o * rank + j) * count + e;
        for (int expert = 0; expert < experts; expert++)
        {
            int e = expert;
            Merge($"model.{parameter}", (o, i) => Scale(parameter) * Dot(r, j => b[element(o, j, e, r, experts)] * a[(e * r + j) * columns + i]), e * rows * columns, rows, columns);
        }
        return this;
    }

    /// <summary>The layout of PEFT before 0.19, which took the parameter for [experts, in, out].</summary>
    public AdapterBuilder StackedBefore019(string parameter, string wrapper)
    {
        StoredTensor weight = original.Find($"model.{parameter}")!;
        (int experts, int rows, int columns, int r) = ((int)weight.Shape[0], (int)weight.Shape[1], (int)weight.Shape[2], Rank(parameter));
        string module = parameter[..parameter.IndexOf("experts", StringComparison.Ordinal)] + wrapper;
        double[] a = Tensor($"{Prefix}{module}.lora_A.weight", 0.3, experts * r, rows), b = Tensor($"{Prefix}{module}.lora_B.weight", 0.1, columns, r * experts);
        for (int expert = 0; expert < experts; expert++)
        {
            int e = expert;
            // einsum("o r e, e r i -> e i o"): i runs over the rows of the parameter, o over its columns
            Merge($"model.{parameter}", (i, o) => Scale(parameter) * Dot(r, j => b[(o * r + j) * experts + e] * a[(e * r + j) * rows + i]), e * rows * columns, rows, columns);
        }
        return this;
    }

    /// <summary>An update of one expert's projection: gate_proj, up_proj, down_proj or gate_up_proj.</summary>
    public AdapterBuilder Expert(int layer, int expert, string projection)
    {
        StoredTensor gateUp = original.Find($"model.layers.{layer}.experts.gate_up_proj")!;
        (int twice, int hidden) = ((int)gateUp.Shape[1], (int)gateUp.Shape[2]);
        string module = $"layers.{layer}.experts.{expert}.{projection}";
        (int rows, int columns, int first) = projection switch
        {
            "gate_proj" => (twice / 2, hidden, 0),
            "up_proj" => (twice / 2, hidden, twice / 2 * hidden),
            "gate_up_proj" => (twice, hidden, 0),
            _ => (hidden, twice / 2, 0),
        };
        int r = Rank(module);
        double[] a = Tensor($"{Prefix}{module}.lora_A.weight", 0.3, r, columns), b = Tensor($"{Prefix}{module}.lora_B.weight", 0.1, rows, r);
        string parameter = $"model.layers.{layer}.experts.{(projection == "down_proj" ? "down_proj" : "gate_up_proj")}";
        int size = projection == "down_proj" ? rows * columns : twice * hidden;
        Merge(parameter, (o, i) => Scale(module) * Dot(r, j => b[o * r + j] * a[j * columns + i]), expert * size + first, rows, columns);
        return this;
    }

    /// <summary>An update that is not merged into anything: of one matrix, or of a stack with so many experts.</summary>
    public AdapterBuilder Update(string module, int rows, int columns, int experts = 1)
    {
        Tensor($"{Prefix}{module}.lora_A.weight", 0.3, experts * R, columns);
        Tensor($"{Prefix}{module}.lora_B.weight", 0.1, rows, R * experts);
        return this;
    }

    /// <summary>A further tensor of random values in the adapter's file; gives the values as they are stored.</summary>
    public double[] Tensor(string name, double deviation, params int[] shape)
    {
        int count = shape.Aggregate(1, (product, extent) => product * extent);
        var bytes = new byte[count * DType.Size()];
        var values = new double[count];
        for (int i = 0; i < count; i++)
        {
            float value = (float)(deviation * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
            if (DType == DType.BF16)
            {
                ushort bits = (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
                BitConverter.TryWriteBytes(bytes.AsSpan(2 * i), bits);
                values[i] = BitConverter.UInt32BitsToSingle((uint)bits << 16);
            }
            else if (DType == DType.F16)
            {
                BitConverter.TryWriteBytes(bytes.AsSpan(2 * i), (Half)value);
                values[i] = (double)(Half)value;
            }
            else
            {
                BitConverter.TryWriteBytes(bytes.AsSpan(4 * i), value);
                values[i] = value;
            }
        }
        tensors.Add(TensorToWrite.From(name, DType, [.. shape.Select(extent => (long)extent)], bytes));
        return values;
    }

    public AdapterBuilder Write()
    {
        File.WriteAllText(adapter["adapter_config.json"], Config().ToJsonString());
        SafetensorsWriter.WriteFile(adapter["adapter_model.safetensors"], tensors);
        IEnumerable<TensorToWrite> changed = weights.Select(w => TensorToWrite.From(
            w.Key, DType.F32, (original.Find(w.Key) ?? original.Find("model.embed_tokens.weight")!).Shape,
            w.Value.SelectMany(value => BitConverter.GetBytes((float)value)).ToArray()));
        IEnumerable<TensorToWrite> same = original.Names.Where(name => !weights.ContainsKey(name)).Select(name => TensorToWrite.From(original.Find(name)!));
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(baseFolder, "config.json")))!;
        if (weights.ContainsKey("lm_head.weight") || weights.ContainsKey("model.embed_tokens.weight"))
        {
            config["tie_word_embeddings"] = false;
            if (!weights.ContainsKey("lm_head.weight")) changed = changed.Append(TensorToWrite.From(original.Find("model.embed_tokens.weight")!) with { Name = "lm_head.weight" });
        }
        SafetensorsWriter.WriteFile(merged[Checkpoint.SingleFile], changed.Concat(same));
        File.WriteAllText(merged["config.json"], config.ToJsonString());
        return this;
    }

    public void Dispose()
    {
        original.Dispose();
        adapter.Dispose();
        merged.Dispose();
    }

    private void Merge(string name, Func<int, int, double> delta, int first, int rows, int columns)
    {
        if (!weights.TryGetValue(name, out double[]? values)) weights[name] = values = Values(original.Find(name)!);
        for (int o = 0; o < rows; o++)
            for (int i = 0; i < columns; i++) values[first + o * columns + i] += delta(o, i);
    }

    private static double Dot(int r, Func<int, double> term)
    {
        double sum = 0;
        for (int j = 0; j < r; j++) sum += term(j);
        return sum;
    }

    private static double[] Values(StoredTensor tensor) => [.. tensor.ToSingles().Select(value => (double)value)];
}
