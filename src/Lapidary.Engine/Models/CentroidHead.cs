using Lapidary.Checkpoints;
using Lapidary.Quantization;
using Lapidary.Sampling;

namespace Lapidary.Models;

/// <summary>
/// The output head of small drafters: tokens lie in clusters of equal size, and only those of the clusters whose centroids
/// are most like the hidden state get logits. t queries, h hidden, c centroids, k chosen ones, s tokens of a cluster.
/// </summary>
internal sealed class CentroidHead : IDisposable
{
    private readonly IKernels kernels;
    private readonly CentroidHeadConfig config;
    private readonly ILinear centroids;        // [c, h]
    private readonly IEmbedding head;          // [vocab, h]
    private readonly int[] ordering;           // tokens, cluster by cluster
    private readonly IBuffer centroidLogits, tokens, logits;    // [t, c], [t, k·s] twice
    private readonly float[] maxima;
    private readonly Candidates chosen;
    private readonly int[] hostTokens, mostLikely;

    private CentroidHead(IKernels kernels, CentroidHeadConfig config, ILinear centroids, IEmbedding head, int[] ordering, int maxQueries)
    {
        this.kernels = kernels;
        this.config = config;
        this.centroids = centroids;
        this.head = head;
        this.ordering = ordering;
        int candidates = config.CentroidIntermediateTopK * (ordering.Length / config.NumCentroids);
        centroidLogits = kernels.Allocate(DType.F32, maxQueries, config.NumCentroids);
        tokens = kernels.Allocate(DType.I32, maxQueries, candidates);
        logits = kernels.Allocate(DType.F32, maxQueries, candidates);
        maxima = new float[Logits.Blocks(config.NumCentroids)];
        chosen = new Candidates(config.CentroidIntermediateTopK);
        hostTokens = new int[maxQueries * candidates];
        mostLikely = new int[maxQueries];
    }

    /// <exception cref="CheckpointException">A tensor is missing, of wrong shape or dtype, or the ordering is none.</exception>
    public static CentroidHead Load(TensorSource tensors, Gemma4Config text, CentroidHeadConfig config, IKernels kernels, int maxQueries)
    {
        StoredMatrix head = tensors.Matrix(text.TieWordEmbeddings ? "embed_tokens" : "lm_head", text.VocabSize, text.HiddenSize);
        return new CentroidHead(
            kernels, config, Gemma4Assistant.Load(tensors, "masked_embedding.centroids", config.NumCentroids, text.HiddenSize, kernels),
            kernels.LoadEmbedding(head), Ordering(tensors, text.VocabSize), maxQueries);
    }

    /// <summary>The most likely token of each query among those of its clusters.</summary>
    /// <param name="hidden">[t, h] after the final norm</param>
    /// <returns>[t]; valid until the next call.</returns>
    public ReadOnlySpan<int> MostLikely(IBuffer hidden)
    {
        int queries = hidden.Rows, candidates = tokens.Columns;
        centroidLogits.Rows = logits.Rows = queries;
        kernels.Linear(centroids, hidden, centroidLogits);
        for (int query = 0; query < queries; query++) ChooseTokens(query);
        kernels.Write(tokens, hostTokens.AsSpan(0, queries * candidates));
        kernels.LinearRows(head, tokens, hidden, logits);
        for (int query = 0; query < queries; query++)
            mostLikely[query] = First(kernels.HostRow(logits, query), hostTokens.AsSpan(query * candidates, candidates));
        return mostLikely.AsSpan(0, queries);
    }

    /// <summary>Writes the tokens of the query's clusters.</summary>
    private void ChooseTokens(int query)
    {
        ReadOnlySpan<float> row = kernels.HostRow(centroidLogits, query);
        Logits.Maxima(row, maxima);
        chosen.Select(row, maxima, config.CentroidIntermediateTopK, float.NegativeInfinity);
        int size = ordering.Length / config.NumCentroids, at = query * tokens.Columns;
        foreach (int centroid in chosen.Ids)
        {
            ordering.AsSpan(centroid * size, size).CopyTo(hostTokens.AsSpan(at));
            at += size;
        }
    }

    /// <summary>The token of the largest logit, of equals the lowest id.</summary>
    private static int First(ReadOnlySpan<float> logits, ReadOnlySpan<int> tokens)
    {
        (float most, int token) = (float.NegativeInfinity, tokens[0]);
        for (int i = 0; i < tokens.Length; i++)
            if (logits[i] > most || (logits[i] == most && tokens[i] < token)) (most, token) = (logits[i], tokens[i]);
        return token;
    }

    private static int[] Ordering(TensorSource tensors, int vocabSize)
    {
        const string Name = "masked_embedding.token_ordering";
        StoredTensor tensor = tensors.Find(Name) ?? throw new CheckpointException($"{tensors.Location}: tensor \"{Name}\" is missing, expected {vocabSize} token ids (use_ordered_embeddings is true)");
        tensors.Ignore(Name);
        if (tensor.ElementCount != vocabSize) throw new CheckpointException($"{tensors.Location}: tensor \"{Name}\" has shape {tensor.ShapeText}, expected [{vocabSize}]");
        int[] ordering = tensor.ToInt32s();
        bool[] seen = new bool[vocabSize];
        foreach (int token in ordering)
        {
            if ((uint)token >= (uint)vocabSize || seen[token])
                throw new CheckpointException($"{tensors.Location}: tensor \"{Name}\" holds {token} {((uint)token < (uint)vocabSize ? "twice" : "")}, expected every id from 0 to {vocabSize - 1} once");
            seen[token] = true;
        }
        return ordering;
    }

    public void Dispose()
    {
        centroids.Dispose();
        head.Dispose();
        centroidLogits.Dispose();
        tokens.Dispose();
        logits.Dispose();
    }
}
