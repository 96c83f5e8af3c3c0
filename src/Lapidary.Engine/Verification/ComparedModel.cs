using Lapidary.Models;

namespace Lapidary.Verification;

/// <summary>One configuration of a model, open for comparison.</summary>
public sealed class ComparedModel : IDisposable
{
    // Host memory for the logits of one step: 16 Mi floats are 64 rows of a vocabulary of 262,144.
    private const int LogitElements = 16 << 20;
    private const int MostStepTokens = 128;

    private ComparedModel(LanguageModel model, ModelVariant variant)
    {
        Model = model;
        Variant = variant;
        AdapterSlot = variant.Lora is { } folder ? model.Adapters.Load(folder, Path.GetFileName(Path.TrimEndingDirectorySeparator(folder))).Slot : ForwardBatch.NoAdapter;
    }

    public LanguageModel Model { get; }
    public ModelVariant Variant { get; }

    /// <summary>Slot of the adapter that every token uses, or <see cref="ForwardBatch.NoAdapter"/>.</summary>
    public int AdapterSlot { get; }

    /// <param name="folder">The model; the variant may name another.</param>
    /// <param name="contextLength">Most tokens of one window of text.</param>
    /// <param name="progress">Told (layers loaded, layers in all).</param>
    /// <exception cref="LapidaryException">It cannot be served; the message says why.</exception>
    public static ComparedModel Open(string folder, ModelVariant variant, IKernels kernels, int contextLength, Action<int, int>? progress = null)
    {
        folder = variant.Folder ?? folder;
        int step = Math.Clamp(LogitElements / Gemma4ConfigReader.Load(folder).VocabSize, 1, MostStepTokens);
        LanguageModel model = LanguageModel.Open(folder, kernels, new LanguageModelOptions
        {
            ContextLength = contextLength,
            MaxStepTokens = step,
            MaxLogitRows = step,
            MaxLoras = variant.Lora is null ? 0 : 1,
            ExpertBackend = variant.ExpertBackend,
            HiddenActivation = variant.Activation,
            Progress = progress,
        });
        try
        {
            return new ComparedModel(model, variant);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    public void Dispose() => Model.Dispose();
}
