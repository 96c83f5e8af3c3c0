using Lapidary.Checkpoints;
using Lapidary.KvCache;
using Lapidary.Quantization;
using Lapidary.Sampling;

namespace Lapidary.Models;

/// <summary>
/// Gemma 4's drafter: a few layers that compute queries only and read the target's keys and values. It sees the embedding of
/// a text's newest token beside the target's hidden state of the token before, and later its own state in place of that; the
/// position stays that of the newest token throughout, as in HuggingFace's SinglePositionMultiTokenCandidateGenerator.
/// Shapes: t queries, b the target's hidden size, h the drafter's.
/// </summary>
public sealed class Gemma4Assistant : IDisposable
{
    private readonly IKernels kernels;
    private readonly ICheckpoint checkpoint;
    private readonly Gemma4 target, text;
    private readonly ILinear preProjection, postProjection;
    private readonly IBuffer input, embeds;
    private readonly CentroidHead? centroids;
    private readonly MostLikely mostLikely;

    private Gemma4Assistant(IKernels kernels, ICheckpoint checkpoint, Gemma4AssistantConfig config, Gemma4 target, int maxQueries)
    {
        this.kernels = kernels;
        this.checkpoint = checkpoint;
        this.target = target;
        int b = config.BackboneHiddenSize, h = config.Text.HiddenSize;
        TensorSource tensors = new(checkpoint, config.Text.Quantization);
        preProjection = Load(tensors, "pre_projection", h, 2 * b, kernels);
        postProjection = Load(tensors, "post_projection", b, h, kernels);
        if (config.Centroids is { } head) centroids = CentroidHead.Load(tensors, config.Text, head, kernels, maxQueries);
        text = Gemma4.Load(tensors, config.Text, kernels, new Gemma4Options { MaxStepTokens = maxQueries, MaxLogitRows = maxQueries });
        mostLikely = new MostLikely(kernels, config.Text.VocabSize, maxQueries);
        input = kernels.Allocate(DType.F32, maxQueries, 2 * b);
        embeds = input.SliceColumns(0, b);
        Carried = input.SliceColumns(b, b);
    }

    /// <summary>
    /// [t, b] what each query carries on: the target's <see cref="IModel.LastHidden"/> of the token before the newest in the
    /// first step, after a step the drafter's own state.
    /// </summary>
    public IBuffer Carried { get; }

    /// <summary>[t, h] of the last step, after the final norm.</summary>
    internal IBuffer LastHidden => text.LastHidden;

    /// <param name="folder">Holds config.json and *.safetensors.</param>
    /// <param name="target">The model it drafts for; outlives it.</param>
    /// <exception cref="ConfigException">It is no drafter, or one for another model.</exception>
    /// <exception cref="CheckpointException">A tensor is missing, of wrong shape, not finite, or belongs to no part of a drafter.</exception>
    public static Gemma4Assistant Load(string folder, Gemma4 target, IKernels kernels, int maxQueries)
    {
        Gemma4AssistantConfig config = Gemma4AssistantConfig.Load(folder, target.Config);
        ICheckpoint checkpoint = Checkpoint.Open(folder);
        try
        {
            return new Gemma4Assistant(kernels, checkpoint, config, target, maxQueries);
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>A matrix beside the layers; all are small enough to be looked through.</summary>
    internal static ILinear Load(TensorSource tensors, string name, int rows, int columns, IKernels kernels)
    {
        StoredMatrix matrix = tensors.Matrix(name, rows, columns);
        matrix.RequireFinite(tensors.Location);
        return kernels.LoadLinear(matrix);
    }

    /// <summary>One token further for each query of the batch.</summary>
    /// <param name="batch">Of queries only.</param>
    /// <param name="cache">The target's.</param>
    /// <returns>[t] the most likely tokens; valid until the next call.</returns>
    public ReadOnlySpan<int> Forward(ForwardBatch batch, KeyValueCache cache)
    {
        text.Begin(batch);
        target.EmbedTokens(batch.TokenIds, embeds);
        kernels.Linear(preProjection, input, text.Hidden);
        text.DecoderLayers(batch, cache);
        kernels.Linear(postProjection, text.LastHidden, Carried);
        return centroids is not null ? centroids.MostLikely(text.LastHidden) : mostLikely.Of(text.Head(batch));
    }

    public void Dispose()
    {
        text.Dispose();
        centroids?.Dispose();
        preProjection.Dispose();
        postProjection.Dispose();
        input.Dispose();
        checkpoint.Dispose();
    }
}
