using Lapidary.Checkpoints;
using Lapidary.Checkpoints.Gguf;
using Lapidary.Generation;
using Lapidary.Models.Gguf;
using Lapidary.Sampling;
using Lapidary.Templates;
using Lapidary.Templates.Values;
using Lapidary.Tokenizers;

namespace Lapidary.Models;

/// <summary>Where a model's parts come from: a HuggingFace folder or one GGUF file. Open as long as the model.</summary>
public abstract class ModelFiles : IDisposable
{
    /// <summary>The folder or file.</summary>
    public required string Location { get; init; }

    public required Gemma4Config Config { get; init; }

    public abstract IWeightSource Weights { get; }

    /// <summary>What the file stores: type, elements as stored and bytes of each tensor.</summary>
    public abstract IReadOnlyList<StoredPart> Parts { get; }

    public abstract GenerationConfig GenerationConfig { get; }

    public abstract bool HasTokenizer { get; }

    /// <exception cref="TokenizerException">There is no usable tokenizer.</exception>
    public abstract Tokenizer LoadTokenizer();

    /// <exception cref="TemplateException">There is no usable chat template.</exception>
    public abstract ChatTemplate LoadChatTemplate();

    /// <param name="path">A folder with config.json and *.safetensors, a *.gguf file, or a folder with one of those.</param>
    /// <exception cref="LapidaryException">It is no model, or one that cannot be served.</exception>
    public static ModelFiles Open(string path)
    {
        if (IsGguf(path)) return GgufModelFiles.OpenFile(path);
        if (!Directory.Exists(path))
            throw new ConfigException($"{path}: no such folder; a model is a folder with config.json and *.safetensors, or a *.gguf file");
        if (File.Exists(Path.Combine(path, "config.json"))) return FolderModelFiles.OpenFolder(path);
        string[] ggufs = Directory.GetFiles(path, "*.gguf");
        return ggufs.Length switch
        {
            1 => GgufModelFiles.OpenFile(ggufs[0]),
            > 1 => throw new ConfigException($"{path}: {ggufs.Length} *.gguf files; name the one to open"),
            _ => FolderModelFiles.OpenFolder(path), // says what is missing
        };
    }

    /// <summary>The files that decide what a model computes: one *.gguf, or config.json and *.safetensors.</summary>
    /// <param name="path">As for <see cref="Open"/>; what is no model has no files.</param>
    public static IReadOnlyList<string> SourceFiles(string path)
    {
        if (IsGguf(path)) return [path];
        string config = Path.Combine(path, "config.json");
        return File.Exists(config) ? [config, .. Directory.GetFiles(path, "*.safetensors").Order(StringComparer.Ordinal)]
            : Directory.Exists(path) ? Directory.GetFiles(path, "*.gguf")
            : [];
    }

    private static bool IsGguf(string path) => path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase);

    public abstract void Dispose();
}

/// <summary>A tensor as a file has it.</summary>
public readonly record struct StoredPart(string Type, long Elements, long Bytes);

/// <summary>config.json, *.safetensors, tokenizer.json, chat_template.jinja, generation_config.json.</summary>
internal sealed class FolderModelFiles : ModelFiles
{
    private readonly ICheckpoint checkpoint;

    private FolderModelFiles(ICheckpoint checkpoint, Gemma4Config config)
    {
        this.checkpoint = checkpoint;
        Weights = new TensorSource(checkpoint, config.Quantization);
    }

    public override IWeightSource Weights { get; }
    public override IReadOnlyList<StoredPart> Parts => [.. checkpoint.Names.Select(name => checkpoint.Find(name)!).Select(t => new StoredPart(t.DType.ToString(), t.ElementCount, t.ByteLength))];
    public override GenerationConfig GenerationConfig => GenerationConfig.Load(Location);
    public override bool HasTokenizer => File.Exists(Path.Combine(Location, "tokenizer.json"));
    public override Tokenizer LoadTokenizer() => Tokenizer.Load(Location);
    public override ChatTemplate LoadChatTemplate() => ChatTemplate.Load(Location);
    public override void Dispose() => checkpoint.Dispose();

    public static FolderModelFiles OpenFolder(string folder)
    {
        Gemma4Config config = Gemma4ConfigReader.Load(folder);
        ICheckpoint checkpoint = Checkpoint.Open(folder);
        try
        {
            return new FolderModelFiles(checkpoint, config) { Location = folder, Config = config };
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }
}

/// <summary>Everything in the metadata of one file.</summary>
internal sealed class GgufModelFiles(GgufFile file) : ModelFiles
{
    public override IWeightSource Weights { get; } = new GgufWeights(file);

    public override IReadOnlyList<StoredPart> Parts => [.. file.Tensors.Select(t => new StoredPart(t.Type.Name, t.Rows * t.Shape[^1], t.ByteLength))];

    /// <summary>GGUF carries no sampling defaults.</summary>
    public override GenerationConfig GenerationConfig => new(new SamplingParameters { Temperature = 0 }, new SamplingParameters(), []);

    public override bool HasTokenizer => file.Metadata.Has("tokenizer.ggml.tokens");

    public override Tokenizer LoadTokenizer() => GgufTokenizer.Read(file);

    public override ChatTemplate LoadChatTemplate()
    {
        string source = file.Metadata.String("tokenizer.chat_template")
            ?? throw new TemplateException($"{Location} has no chat template (tokenizer.chat_template); use --raw, or /v1/completions of the server");
        string[] tokens = file.Metadata.Strings("tokenizer.ggml.tokens") ?? [];
        Dictionary<string, TemplateValue> special = new(StringComparer.Ordinal);
        foreach (string name in (string[])["bos", "eos", "unk"])
            if (file.Metadata.Int($"tokenizer.ggml.{name}_token_id") is { } id && id < tokens.Length) special[$"{name}_token"] = new StringValue(tokens[id]);
        return ChatTemplate.Parse(source, special, $"{Location}: tokenizer.chat_template");
    }

    public override void Dispose() => file.Dispose();

    public static GgufModelFiles OpenFile(string path)
    {
        GgufFile file = GgufFile.Open(path);
        try
        {
            return new GgufModelFiles(file) { Location = path, Config = GgufConfig.Read(file) };
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
