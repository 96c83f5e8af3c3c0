using System.Text.Json;
using System.Text.Json.Nodes;
using Lapidary.Checkpoints;
using Lapidary.Quantization;

namespace Lapidary.Tests.Quantization;

/// <summary>One matrix of tests/fixtures/quant, packed by a script that knows nothing of this project.</summary>
internal sealed record QuantFixture(string Name, string Config, int Stacked, int Rows, int Columns, string Sha256, float[] FirstRow)
{
    public string ShortName => Stacked > 0 ? "layers.0.experts.gate_up_proj" : "layers.0.self_attn.q_proj";
}

internal static class QuantFixtures
{
    public static string Folder { get; } = Path.Combine(Goldens.Repository, "tests/fixtures/quant");

    public static IReadOnlyDictionary<string, QuantFixture> All { get; } = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "matrices.json")))!["cases"]!.AsArray()
        .Select(node => new QuantFixture(
            node!["name"]!.GetValue<string>(), node["config"]!.ToJsonString(), node["stacked"]!.GetValue<int>(), node["rows"]!.GetValue<int>(),
            node["columns"]!.GetValue<int>(), node["sha256"]!.GetValue<string>(), node["first_row"].Deserialize<float[]>()!))
        .ToDictionary(fixture => fixture.Name);

    /// <summary>Folders that hold a whole checkpoint.</summary>
    public static IReadOnlyList<string> Models { get; } = [.. Directory.GetDirectories(Folder).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal)];

    public static QuantizationConfig Parse(string json)
        => JsonConfig.Parse(new JsonObject { ["quantization_config"] = JsonNode.Parse(json) }.ToJsonString().Select(c => (byte)c).ToArray(), "config.json", root => QuantizationConfig.Find(root, folder: null))!;
}

/// <summary>Tensors that a test puts together, some of them from a file.</summary>
internal sealed class LooseTensors : ICheckpoint
{
    private readonly SafetensorsFile file = SafetensorsFile.Open(Path.Combine(QuantFixtures.Folder, "matrices.safetensors"));
    private readonly Dictionary<string, StoredTensor> tensors = new(StringComparer.Ordinal);
    private readonly List<byte[]> kept = [];

    /// <summary>The parts of one fixture, and an embedding so that it looks like a text model.</summary>
    public LooseTensors(string fixture)
    {
        foreach (string name in file.Names)
            if (name.StartsWith(fixture + "/", StringComparison.Ordinal)) tensors.Add(name[(fixture.Length + 1)..], file.Find(name)!);
        Set("model.embed_tokens.weight", DType.F32, [1, 1], new byte[4]);
    }

    public string Location => "loose";
    public IReadOnlyCollection<string> Names => tensors.Keys;
    public StoredTensor? Find(string name) => tensors.GetValueOrDefault(name);

    public void Remove(string name) => Assert.True(tensors.Remove(name));

    public void Rename(string from, string to)
    {
        tensors.Add(to, tensors[from]);
        Remove(from);
    }

    public void Set(string name, DType dtype, long[] shape, byte[] bytes)
    {
        byte[] pinned = GC.AllocateArray<byte>(bytes.Length, pinned: true);
        bytes.CopyTo(pinned, 0);
        kept.Add(pinned);
        tensors[name] = new StoredTensor(name, dtype, shape, System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(pinned, 0), pinned);
    }

    /// <summary>Changes a tensor's bytes in a copy.</summary>
    public void Edit(string name, Action<byte[]> edit)
    {
        StoredTensor tensor = tensors[name];
        byte[] bytes = tensor.Bytes(0, (int)tensor.ByteLength).ToArray();
        edit(bytes);
        Set(name, tensor.DType, [.. tensor.Shape], bytes);
    }

    /// <summary>The same bytes as another shape or dtype.</summary>
    public void Reshape(string name, DType dtype, params long[] shape)
    {
        StoredTensor tensor = tensors[name];
        Set(name, dtype, shape, tensor.Bytes(0, (int)tensor.ByteLength).ToArray());
    }

    public void Dispose() => file.Dispose();
}
