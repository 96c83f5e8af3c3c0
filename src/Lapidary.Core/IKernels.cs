using Lapidary.Checkpoints;
using Lapidary.Experts;
using Lapidary.Lora;
using Lapidary.Quantization;

namespace Lapidary;

/// <summary>
/// Everything a model needs of a device. Shapes: t tokens of the step, h hidden. Outputs are caller-owned buffers whose
/// Rows the caller has set; an output is never an input unless the summary says so. No call allocates managed memory
/// but those that allocate, load or create.
/// </summary>
public interface IKernels : IDisposable
{
    /// <summary>Device and instruction set, for people.</summary>
    string Description { get; }

    /// <summary>Expert backends of this device, in order of preference.</summary>
    IReadOnlyList<IExpertBackend> ExpertBackends { get; }

    // Memory.

    /// <summary>An uninitialised buffer; Rows starts at 0.</summary>
    IBuffer Allocate(DType dtype, int rows, int columns);

    /// <summary>What keys and values are kept as where nobody chooses: what suits the device's arithmetic.</summary>
    KeyValueType DefaultKeyValueType { get; }

    /// <summary>Room for the keys and values of blocks · blockSize positions, uninitialised.</summary>
    IKeyValues AllocateKeyValues(KeyValueType type, int blocks, int blockSize, int heads, int headDim);

    /// <summary>Copies host values into the first rows; the length fixes Rows.</summary>
    void Write(IBuffer destination, ReadOnlySpan<int> source);

    /// <inheritdoc cref="Write(IBuffer, ReadOnlySpan{int})"/>
    void Write(IBuffer destination, ReadOnlySpan<float> source);

    /// <summary>Copies the rows in use to the host; the lengths must agree.</summary>
    void Read(IBuffer source, Span<float> destination);

    /// <inheritdoc cref="Read(IBuffer, Span{float})"/>
    void Read(IBuffer source, Span<int> destination);

    /// <summary>
    /// A row on the host, to read and to change, until the buffer is next written; a device apart from the host copies it, and
    /// what is changed need not reach the device.
    /// </summary>
    Span<float> HostRow(IBuffer buffer, int row);

    /// <summary>Calls the work for every item from 0 to <paramref name="items"/> - 1 on the host's threads and waits.</summary>
    /// <param name="operations">Rough number of elements that all items look at.</param>
    void OnHost(IHostWork work, int items, long operations);

    // Weights. What the device keeps of a stored tensor (a reference, a copy, a packed form) is its own affair.

    /// <summary>Matrices of equal width stacked by rows: [o1, i], [o2, i] … become one [o1 + o2 …, i].</summary>
    ILinear LoadLinear(params ReadOnlySpan<StoredMatrix> weights);

    IEmbedding LoadEmbedding(StoredMatrix weight);

    /// <summary>The rows of a matrix that is multiplied, too (tied embeddings): nothing is kept twice. Not valid longer than it is.</summary>
    IEmbedding RowsOf(ILinear weight);

    /// <summary>A vector as float32, times <paramref name="factor"/>: [1, n].</summary>
    IBuffer LoadVector(StoredTensor weight, float factor = 1);

    IBuffer LoadVector(ReadOnlySpan<float> values);

    IGatedActivation LoadActivation(Activation activation);

    // Adapters, copied: their files may change or go once they are loaded.

    /// <summary>The update of a matrix that is multiplied.</summary>
    ILora LoadLora(LoraWeights weights);

    /// <summary>The update of a table of which rows are looked up: A [r, rows], B [columns, r].</summary>
    ILora LoadEmbeddingLora(LoraWeights weights);

    IExpertLora LoadExpertLora(ExpertLoraWeights weights);

    // Operations.

    /// <summary>output[t] = table[ids[t]] * scale.</summary>
    void Embed(IEmbedding table, IBuffer ids, float scale, IBuffer output);

    /// <summary>output = x / rms(x) * weight over each row, mean square in float32.</summary>
    /// <param name="weight">[1, h], or null for no scale.</param>
    /// <param name="output">[t, h]; may be <paramref name="x"/>.</param>
    void RmsNorm(IBuffer x, IBuffer? weight, float eps, IBuffer output);

    /// <summary>As <see cref="RmsNorm"/>, over each group of <paramref name="headDim"/> columns; in place.</summary>
    void RmsNormHeads(IBuffer x, IBuffer? weight, int headDim, float eps);

    /// <summary>cosSin[t] = cos(position·f) for each frequency, then sin; float32 angles.</summary>
    /// <param name="inverseFrequencies">[1, n]; only frequencies that are not zero.</param>
    /// <param name="cosSin">[t, 2n]</param>
    void RotaryTable(IBuffer positions, IBuffer inverseFrequencies, IBuffer cosSin);

    /// <summary>Rotates the pairs (i, i + headDim/2), i &lt; n, of every head in place.</summary>
    void Rotate(IBuffer x, IBuffer cosSin, int headDim);

    /// <summary>Rounds row t of keys and values and writes them into slot slots[t] of the cache.</summary>
    /// <param name="keys">[t, kvHeads·headDim]</param> <param name="values">[t, kvHeads·headDim]</param>
    void StoreKeysValues(IBuffer keys, IBuffer values, IBuffer slots, IKeyValues cache);

    /// <summary>Copies the first positions of one block of the cache into another, all heads, as they were rounded.</summary>
    void CopyKeysValues(IKeyValues cache, int fromBlock, int toBlock, int positions);

    /// <summary>Causal attention with scale 1 over cached keys and values, the step's own included: products and softmax in
    /// float32. A token's result does not depend on the other tokens.</summary>
    /// <param name="queries">[t, heads·headDim]</param>
    /// <param name="window">Positions a query sees, itself included; null for all earlier ones.</param>
    /// <param name="output">[t, heads·headDim]</param>
    void Attention(IBuffer queries, IKeyValues cache, AttentionBatch batch, int? window, IBuffer output);

    /// <summary>output = x · weightᵀ.</summary>
    void Linear(ILinear weight, IBuffer x, IBuffer output);

    /// <summary>outputs[i] = x · weights[i]ᵀ: products of the same hidden states, which a device may share out in one go.</summary>
    void Linears(ReadOnlySpan<ILinear> weights, IBuffer x, ReadOnlySpan<IBuffer> outputs)
    {
        for (int i = 0; i < weights.Length; i++) Linear(weights[i], x, outputs[i]);
    }

    /// <summary>output[t, j] = x[t] · table[rows[t, j]]: a product with a few rows of a large matrix, others for every token.</summary>
    /// <param name="rows">[t, n] int32</param> <param name="output">[t, n]</param>
    void LinearRows(IEmbedding table, IBuffer rows, IBuffer x, IBuffer output);

    /// <summary>output[t] += scale · (x[t] Aᵀ) Bᵀ with the update in the token's slot. A token's result does not depend on
    /// the other tokens or the other slots.</summary>
    /// <param name="updates">From <see cref="LoadLora"/>.</param>
    /// <param name="slots">[t, 1] int32; a token with -1, or whose slot is empty, stays as it is.</param>
    /// <param name="lowRank">Scratch: at least t rows and as many columns as the largest rank.</param>
    void AddLora(LoraSlots<ILora> updates, IBuffer x, IBuffer slots, IBuffer lowRank, IBuffer output);

    /// <summary>output[t] += scale · A[:, ids[t]] Bᵀ; otherwise as <see cref="AddLora"/>.</summary>
    /// <param name="updates">From <see cref="LoadEmbeddingLora"/>.</param>
    void AddEmbeddingLora(LoraSlots<ILora> updates, IBuffer ids, IBuffer slots, IBuffer lowRank, IBuffer output);

    /// <summary>output = activation(gate, up); output may be gate.</summary>
    void GatedActivation(IGatedActivation activation, IBuffer gate, IBuffer up, IBuffer output);

    /// <summary>Softmax of the logits over all experts in float32, the k largest (ties to the lower id), renormalised to
    /// sum 1, times the expert's scale.</summary>
    /// <param name="logits">[t, e]</param> <param name="perExpertScale">[1, e]</param>
    /// <param name="ids">[t, k] int32, by descending probability</param> <param name="weights">[t, k]</param>
    void RouteTopK(IBuffer logits, IBuffer perExpertScale, IBuffer ids, IBuffer weights);

    /// <summary>x[t] += bias for every t.</summary>
    /// <param name="bias">[1, n]</param> <param name="x">[t, n]</param>
    void AddBias(IBuffer bias, IBuffer x);

    /// <summary>residual += x.</summary>
    void Add(IBuffer x, IBuffer residual);

    /// <summary>x *= factor.</summary>
    void Scale(IBuffer x, float factor);

    /// <summary>x = tanh(x / cap) * cap.</summary>
    void Softcap(IBuffer x, float cap);

    /// <summary>output[r] = x[rows[r]].</summary>
    void GatherRows(IBuffer x, IBuffer rows, IBuffer output);
}

/// <summary>Work on the host that falls into items; several threads run different items at once.</summary>
public interface IHostWork
{
    void Run(int item);
}

/// <summary>Which cached positions each token of a step attends to.</summary>
/// <param name="Positions">[t, 1] last position that each token sees: its own, unless it has no keys and values.</param>
/// <param name="Sequences">[t, 1] row of <paramref name="BlockTables"/> each token belongs to.</param>
/// <param name="BlockTables">[sequences, blocks]: position p of a sequence lies in cache slot table[p / size] · size + p % size.</param>
/// <param name="BlockSize">Positions per block.</param>
public sealed record AttentionBatch(IBuffer Positions, IBuffer Sequences, IBuffer BlockTables, int BlockSize);
