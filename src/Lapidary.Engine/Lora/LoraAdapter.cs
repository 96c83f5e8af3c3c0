using Lapidary.Checkpoints;

namespace Lapidary.Lora;

/// <summary>
/// A PEFT adapter bound to a model's sites: each tensor of its file is part of exactly one update. Open as long as its
/// updates are to be read.
/// </summary>
public sealed class LoraAdapter : IDisposable
{
    public const string FileName = "adapter_model.safetensors";

    private readonly SafetensorsFile tensors;

    private LoraAdapter(string folder, LoraConfig config, SafetensorsFile tensors, LoraSites sites)
    {
        this.tensors = tensors;
        Folder = folder;
        Config = config;
        LoraBinding binding = new(config, tensors, sites);
        binding.Bind();
        Linears = binding.Linears;
        Embeddings = binding.Embeddings;
        Experts = binding.Experts;
    }

    public string Folder { get; }
    public LoraConfig Config { get; }
    public IReadOnlyDictionary<LinearSite, LoraWeights> Linears { get; }
    public IReadOnlyDictionary<EmbeddingSite, LoraWeights> Embeddings { get; }
    public IReadOnlyDictionary<ExpertSite, ExpertLoraWeights> Experts { get; }

    /// <param name="folder">adapter_config.json and adapter_model.safetensors, as PEFT saves them.</param>
    /// <exception cref="ConfigException">The configuration is malformed or asks for what is not implemented.</exception>
    /// <exception cref="CheckpointException">The tensor file is missing or damaged.</exception>
    /// <exception cref="AdapterException">A tensor belongs to no part of this model or has another shape.</exception>
    public static LoraAdapter Open(string folder, LoraSites sites)
    {
        LoraConfig config = LoraConfig.Load(folder);
        string file = Path.Combine(folder, FileName);
        if (!File.Exists(file) && File.Exists(Path.Combine(folder, "adapter_model.bin")))
            throw new AdapterException($"{folder}: found adapter_model.bin, which can run any code when it is read; save the adapter as {FileName} (PEFT's safe_serialization)");
        SafetensorsFile tensors = SafetensorsFile.Open(file);
        try
        {
            return new LoraAdapter(folder, config, tensors, sites);
        }
        catch
        {
            tensors.Dispose();
            throw;
        }
    }

    public void Dispose() => tensors.Dispose();
}
