using System.Text.Json.Nodes;
using Lapidary.Checkpoints;

namespace Lapidary.Tests.Checkpoints;

/// <summary>
/// A golden case in the layout of the multimodal checkpoints: its configuration under text_config, its tensors under
/// model.language_model. Made here, as the script of the goldens makes its wrapped case: by renaming.
/// </summary>
internal sealed class WrappedCheckpoint : IDisposable
{
    public const string Prefix = "model.language_model.";

    private readonly CheckpointFolder folder = new();

    public WrappedCheckpoint(string goldenCase)
    {
        using (ICheckpoint bare = Checkpoint.Open(Goldens.Case(goldenCase)))
            SafetensorsWriter.WriteFile(folder[Checkpoint.SingleFile], bare.Names.Select(name => TensorToWrite.From(bare.Find(name)!) with { Name = Prefix + name["model.".Length..] }));

        JsonNode text = JsonNode.Parse(File.ReadAllText(System.IO.Path.Combine(Goldens.Case(goldenCase), "config.json")))!;
        folder.Write("config.json", new JsonObject
        {
            ["architectures"] = new JsonArray("Gemma4ForConditionalGeneration"),
            ["model_type"] = "gemma4",
            ["text_config"] = text,
        }.ToJsonString());
        File.Copy(System.IO.Path.Combine(Goldens.Case(goldenCase), "golden.safetensors"), folder["golden.safetensors"]);
    }

    public string Path => folder.Path;

    public void Dispose() => folder.Dispose();
}
