using Lapidary.Generation;
using Lapidary.KvCache;
using Lapidary.Lora;
using Lapidary.Quantization;
using Lapidary.Speculation;
using Lapidary.Templates;
using Lapidary.Tokenizers;

namespace Lapidary.Models;

/// <summary>Choices made when a model folder is opened.</summary>
public sealed record LanguageModelOptions
{
    // A cache for 262,144 positions of 26B-A4B would be 10 GB in float32; who needs it asks for it.
    private const int DefaultContextLength = 32768;

    /// <summary>Most positions of one text, prompt included; null for the model's own limit, at most 32,768.</summary>
    public int? ContextLength { get; init; }

    /// <inheritdoc cref="Gemma4Options.MaxStepTokens"/>
    public int MaxStepTokens { get; init; } = 512;

    /// <inheritdoc cref="Gemma4Options.MaxLogitRows"/>
    public int MaxLogitRows { get; init; } = 1;

    /// <inheritdoc cref="Gemma4Options.MaxLoras"/>
    public int MaxLoras { get; init; }

    /// <summary>Most texts computed at once.</summary>
    public int MaxSequences { get; init; } = 1;

    /// <summary>How drafts are made; null for one token of each text a step.</summary>
    public SpeculativeConfig? Speculative { get; init; }

    /// <summary>Bytes for keys and values; null for as much as all texts of full length can use.</summary>
    public long? KvCacheMemory { get; init; }

    /// <summary>What cached keys and values are rounded to; null for what suits the device's arithmetic.</summary>
    public KeyValueType? KeyValueType { get; init; }

    /// <inheritdoc cref="Gemma4Options.HeadFormat"/>
    public HeadFormat? HeadFormat { get; init; }

    /// <inheritdoc cref="Gemma4Options.ExpertBackend"/>
    public string? ExpertBackend { get; init; }

    /// <summary>Computes with this activation in place of the model's own, to see what the difference does; null for its own.</summary>
    public Activation? HiddenActivation { get; init; }

    /// <summary>Whether tokenizer and chat template are read while weights are, since text will be needed; else at first use.</summary>
    public bool ReadsText { get; init; }

    /// <inheritdoc cref="Gemma4Options.Progress"/>
    public Action<int, int>? Progress { get; init; }

    /// <summary>The context length that a model of that configuration gets.</summary>
    /// <exception cref="RequestException">The model has no such context.</exception>
    public int ContextOf(Gemma4Config config)
    {
        int limit = config.MaxPositionEmbeddings, context = ContextLength ?? Math.Min(limit, DefaultContextLength);
        return context >= 1 && context <= limit
            ? context
            : throw new RequestException($"context length {context} is outside 1 to {limit}, the model's max_position_embeddings");
    }
}

/// <summary>
/// A model folder opened for generation: weights, cache and the buffers of one step. Not thread-safe: one thread owns it.
/// </summary>
public sealed class LanguageModel : IDisposable
{
    private readonly ModelFiles files;
    private readonly TextFiles text;

    private LanguageModel(
        ModelFiles files, TextFiles text, Gemma4 network, IKernels kernels, int contextLength, CacheSize cacheSize, int maxSequences, SpeculativeConfig? speculative)
    {
        this.files = files;
        this.text = text;
        GenerationConfig = files.GenerationConfig;
        Kernels = kernels;
        Network = network;
        Cache = new KeyValueCache(kernels, network.Config, contextLength, cacheSize);
        Batch = new ForwardBatch(kernels, Cache, network.MaxStepTokens, maxSequences);
        Speculative = speculative;
        Drafter = speculative?.Create(kernels, network, Cache, maxSequences);
    }

    public IKernels Kernels { get; }
    public Gemma4 Network { get; }
    public KeyValueCache Cache { get; }
    public ForwardBatch Batch { get; }

    /// <summary>How drafts are made; null without any.</summary>
    public SpeculativeConfig? Speculative { get; }

    internal IDrafter? Drafter { get; }
    public LoraAdapters Adapters => Network.Adapters;
    public Gemma4Config Config => Network.Config;
    public int ContextLength => Cache.ContextLength;

    /// <summary>The folder or file the model comes from.</summary>
    public string Location => files.Location;
    public GenerationConfig GenerationConfig { get; }

    /// <summary>Loaded at first use; ids need none.</summary>
    /// <exception cref="TokenizerException">There is no usable tokenizer.</exception>
    public Tokenizer Tokenizer => text.Tokenizer;

    public bool HasTokenizer => files.HasTokenizer;

    /// <summary>Loaded at first use; raw text needs none.</summary>
    /// <exception cref="TemplateException">There is no usable chat template.</exception>
    public ChatTemplate ChatTemplate => text.ChatTemplate;

    /// <summary>Tokens that end a text: those of generation_config.json, else of config.json.</summary>
    public IReadOnlyList<int> EosTokenIds => GenerationConfig.EosTokenIds.Count > 0 ? GenerationConfig.EosTokenIds : Config.EosTokenIds;

    /// <param name="path">A folder with config.json and the weights, or a *.gguf file.</param>
    /// <exception cref="LapidaryException">It is not a model that can be served; the message says why.</exception>
    public static LanguageModel Open(string path, IKernels kernels, LanguageModelOptions options) => Open(ModelFiles.Open(path), kernels, options);

    /// <param name="files">Owned by the model from now on.</param>
    /// <inheritdoc cref="Open(string, IKernels, LanguageModelOptions)"/>
    public static LanguageModel Open(ModelFiles files, IKernels kernels, LanguageModelOptions options)
    {
        TextFiles text = new(files, early: options.ReadsText);
        try
        {
            Gemma4Config config = files.Config;
            if (options.HiddenActivation is { } activation) config = config with { HiddenActivation = activation };
            options.Speculative?.Check(config);
            int context = options.ContextOf(config);
            int stepTokens = (int)Math.Min(options.MaxStepTokens, (long)context * options.MaxSequences);
            KeyValueType type = options.KeyValueType ?? kernels.DefaultKeyValueType;
            CacheSize cacheSize = options.KvCacheMemory is { } bytes
                ? CacheSize.ForMemory(config, type, context, stepTokens, bytes)
                : CacheSize.ForMachine(config, type, context, stepTokens, options.MaxSequences);

            Gemma4 network = Gemma4.Load(files.Weights, config, kernels, new Gemma4Options
            {
                MaxLoras = options.MaxLoras,
                HeadFormat = options.HeadFormat,
                ExpertBackend = options.ExpertBackend,
                MaxStepTokens = stepTokens,
                MaxLogitRows = (int)Math.Min(options.MaxLogitRows + (long)options.MaxSequences * (options.Speculative?.NumSpeculativeTokens ?? 0), stepTokens),
                Progress = options.Progress,
            });
            return new LanguageModel(files, text, network, kernels, context, cacheSize, options.MaxSequences, options.Speculative);
        }
        catch
        {
            text.Dispose();
            files.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Drafter?.Dispose();
        Batch.Dispose();
        Cache.Dispose();
        Network.Dispose();
        text.Dispose();
        files.Dispose();
    }
}
