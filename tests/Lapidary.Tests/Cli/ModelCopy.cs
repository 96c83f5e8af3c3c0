using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Lapidary.Tests.Checkpoints;

namespace Lapidary.Tests.Cli;

/// <summary>A copy of a small golden model, with the embedded model's tokenizer beside it, to damage.</summary>
internal sealed class ModelCopy : IDisposable
{
    private readonly CheckpointFolder folder = new();

    public ModelCopy()
    {
        foreach (string file in Directory.GetFiles(Goldens.Case("moe_silu"))) Copy(file);
        foreach (string file in new[] { "tokenizer.json", "tokenizer_config.json", "chat_template.jinja" }) Copy(System.IO.Path.Combine(Goldens.TinyModel, file));
    }

    private void Copy(string file) => folder.Write(System.IO.Path.GetFileName(file), File.ReadAllBytes(file));

    public string Path => folder.Path;

    public string this[string name] => folder[name];

    public void Write(string name, string text) => folder.Write(name, text);

    public void Write(string name, byte[] bytes) => folder.Write(name, bytes);

    public void Delete(string name) => File.Delete(folder[name]);

    public void EditJson(string name, Action<JsonObject> edit)
    {
        JsonObject json = JsonNode.Parse(File.ReadAllText(folder[name]))!.AsObject();
        edit(json);
        folder.Write(name, json.ToJsonString());
    }

    public void Config(string key, JsonNode? value) => EditJson("config.json", json => json[key] = value);

    public void EditWeights(Func<byte[], byte[]> edit) => folder.Write("model.safetensors", edit(File.ReadAllBytes(folder["model.safetensors"])));

    /// <summary>Changes the header and writes its new length; the data stay.</summary>
    public void EditHeader(Action<JsonObject> edit) => EditWeights(bytes =>
    {
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        JsonObject header = JsonNode.Parse(bytes.AsSpan(8, length))!.AsObject();
        edit(header);
        byte[] text = Encoding.UTF8.GetBytes(header.ToJsonString());
        byte[] size = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(size, text.Length);
        return [.. size, .. text, .. bytes.AsSpan(8 + length)];
    });

    public void Dispose() => folder.Dispose();
}
