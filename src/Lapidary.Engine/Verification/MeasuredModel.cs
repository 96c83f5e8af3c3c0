using Lapidary.Models;

namespace Lapidary.Verification;

/// <summary>One configuration of a model, open to be measured on a text.</summary>
public sealed class MeasuredModel : IDisposable
{
    // Host memory for the logits of one step: 16 Mi floats are 64 rows of a vocabulary of 262,144.
    private const int LogitElements = 16 << 20;
    private const int MostStepTokens = 128;
    private const int DefaultContextLength = 2048;

    private MeasuredModel(LanguageModel model, ModelVariant variant)
    {
        Model = model;
        Variant = variant;
        AdapterSlot = variant.Lora is { } folder ? model.Adapters.Load(folder, Path.GetFileName(Path.TrimEndingDirectorySeparator(folder))).Slot : ForwardBatch.NoAdapter;
    }

    public LanguageModel Model { get; }
    public ModelVariant Variant { get; }

    /// <summary>Slot of the adapter that every token uses, or <see cref="ForwardBatch.NoAdapter"/>.</summary>
    public int AdapterSlot { get; }

    /// <param name="path">The model, a folder or a *.gguf file; the variant may name another.</param>
    /// <param name="contextLength">Most tokens of one window of text; null for 2,048, or what the model allows.</param>
    /// <param name="progress">Told (layers loaded, layers in all).</param>
    /// <exception cref="LapidaryException">It cannot be served; the message says why.</exception>
    public static MeasuredModel Open(string path, ModelVariant variant, IKernels kernels, int? contextLength = null, Action<int, int>? progress = null)
    {
        path = variant.Model ?? path;
        Gemma4Config config = ReadConfig(path);
        int step = Math.Clamp(LogitElements / config.VocabSize, 1, MostStepTokens);
        LanguageModel model = LanguageModel.Open(path, kernels, new LanguageModelOptions
        {
            ContextLength = contextLength ?? Math.Min(DefaultContextLength, config.MaxPositionEmbeddings),
            MaxStepTokens = step,
            MaxLogitRows = step,
            MaxLoras = variant.Lora is null ? 0 : 1,
            KeyValueType = variant.KeyValueType,
            HeadFormat = variant.HeadFormat,
            ExpertBackend = variant.ExpertBackend,
            HiddenActivation = variant.Activation,
            Progress = progress,
        });
        try
        {
            return new MeasuredModel(model, variant);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    public void Dispose() => Model.Dispose();

    private static Gemma4Config ReadConfig(string path)
    {
        using ModelFiles files = ModelFiles.Open(path);
        return files.Config;
    }
}
