using Lapidary.KvCache;
using Lapidary.Models;

namespace Lapidary.Verification;

/// <summary>
/// Runs given tokens through one model step by step and keeps what the last step computed on the host: logits, layer
/// outputs, router logits and chosen experts.
/// </summary>
internal sealed class TeacherForcing : ITensorObserver, IDisposable
{
    private readonly LanguageModel model;
    private readonly LogitRows logitRows;
    private readonly int adapterSlot;
    private readonly float[] logits;
    private readonly float[][] outputs, routerLogits;
    private readonly int[][] expertIds;
    private CacheSequence? sequence;

    /// <param name="logitRows">All, or None where logits are not looked at.</param>
    public TeacherForcing(LanguageModel model, LogitRows logitRows, int adapterSlot = ForwardBatch.NoAdapter)
    {
        this.model = model;
        this.logitRows = logitRows;
        this.adapterSlot = adapterSlot;
        Gemma4Config config = model.Config;
        StepTokens = logitRows == LogitRows.All ? Math.Min(model.Batch.MaxTokens, model.Network.MaxLogitRows) : model.Batch.MaxTokens;
        logits = new float[logitRows == LogitRows.All ? StepTokens * config.VocabSize : 0];
        outputs = PerLayer<float>(config.HiddenSize);
        routerLogits = PerLayer<float>(config.Experts?.NumExperts ?? 0);
        expertIds = PerLayer<int>(config.Experts?.TopKExperts ?? 0);

        T[][] PerLayer<T>(int columns) => [.. config.Layers.Select(_ => new T[StepTokens * columns])];
    }

    /// <summary>Most tokens of one step.</summary>
    public int StepTokens { get; }

    /// <summary>Tokens of the last step.</summary>
    public int Tokens { get; private set; }

    /// <summary>[vocab] logits after that token of the last step.</summary>
    public ReadOnlySpan<float> Logits(int row) => logits.AsSpan(row * model.Config.VocabSize, model.Config.VocabSize);

    /// <summary>[h] output of a layer for that token of the last step.</summary>
    public ReadOnlySpan<float> Output(int layer, int row) => outputs[layer].AsSpan(row * model.Config.HiddenSize, model.Config.HiddenSize);

    /// <summary>[e]; only for models with experts.</summary>
    public ReadOnlySpan<float> RouterLogits(int layer, int row)
        => routerLogits[layer].AsSpan(row * model.Config.Experts!.NumExperts, model.Config.Experts.NumExperts);

    /// <summary>[k] by descending probability; only for models with experts.</summary>
    public ReadOnlySpan<int> ExpertIds(int layer, int row)
        => expertIds[layer].AsSpan(row * model.Config.Experts!.TopKExperts, model.Config.Experts.TopKExperts);

    /// <summary>Starts a new text.</summary>
    public void Begin()
    {
        sequence?.Dispose();
        sequence = model.Cache.NewSequence();
    }

    /// <summary>Computes the next tokens of the text, at most <see cref="StepTokens"/>.</summary>
    /// <exception cref="RequestException">A token is outside the model's vocabulary.</exception>
    public void Step(ReadOnlySpan<int> tokens)
    {
        foreach (int id in tokens)
            if (id < 0 || id >= model.Config.VocabSize)
                throw new RequestException(
                    $"token id {id} is outside the model's vocabulary, 0 to {model.Config.VocabSize - 1}; the tokenizer is of another model");
        Tokens = tokens.Length;
        model.Batch.Clear();
        model.Batch.Add(sequence!, tokens, logitRows, adapterSlot);
        model.Network.Observer = this;
        try
        {
            IBuffer result = model.Network.Forward(model.Batch, model.Cache);
            if (logitRows == LogitRows.All) model.Kernels.Read(result, logits.AsSpan(0, Tokens * model.Config.VocabSize));
        }
        finally
        {
            model.Network.Observer = null;
        }
    }

    public void Observe(int? layer, string name, IBuffer tensor)
    {
        if (layer is not { } index) return;
        int count = tensor.Rows * tensor.Columns;
        if (name == "out") model.Kernels.Read(tensor, outputs[index].AsSpan(0, count));
        else if (name == "router_logits") model.Kernels.Read(tensor, routerLogits[index].AsSpan(0, count));
        else if (name == "topk_index") model.Kernels.Read(tensor, expertIds[index].AsSpan(0, count));
    }

    public void Dispose() => sequence?.Dispose();
}
