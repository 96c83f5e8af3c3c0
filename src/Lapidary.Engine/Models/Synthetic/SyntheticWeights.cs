using System.Runtime.InteropServices;
using Lapidary.Checkpoints;
using Lapidary.Experts;
using Lapidary.Quantization;

namespace Lapidary.Models.Synthetic;

/// <summary>Random weights of any name and shape: matrices in one format, vectors near 1, all from one seed.</summary>
internal sealed class SyntheticWeights(WeightFormat format) : IWeightSource
{
    // A trained model's hidden state says more than its last token. At the size of the other weights the embeddings would outweigh
    // the layers, and the text would be one token for ever.
    private const float Deviation = 0.02f, EmbeddingDeviation = 0.002f;
    private const int Seed = 1;

    private static readonly Dictionary<string, WeightFormat> formats = new(StringComparer.Ordinal)
    {
        ["q4_0"] = WeightFormat.OfCodes(CodeType.Int(4), 32),
        ["q5_0"] = WeightFormat.OfCodes(CodeType.Int(5), 32),
        ["q8_0"] = WeightFormat.OfCodes(CodeType.Int(8), 32),
        ["q4_1"] = WeightFormat.OfCodes(CodeType.UInt(4), 32, hasOffsets: true),
        ["bf16"] = WeightFormat.OfDense(DType.BF16),
        ["f32"] = WeightFormat.OfDense(DType.F32),
    };

    private readonly Random random = new(Seed);

    public string Location => "synthetic weights";

    /// <summary>Not known, and large: nothing in it needs a check.</summary>
    public long ByteLength => long.MaxValue;

    /// <exception cref="RequestException">No such format; the known ones are listed.</exception>
    public static WeightFormat FormatNamed(string name) => formats.TryGetValue(name, out WeightFormat? format)
        ? format
        : throw new RequestException($"unknown format {MessageText.Quote(name)} of synthetic weights; known: {string.Join(", ", formats.Keys)}");

    public StoredTensor Require(string name, params ReadOnlySpan<long> shape)
    {
        long elements = 1;
        foreach (long extent in shape) elements *= extent;
        float[] values = new float[elements];
        // A norm's weights and scales are near 1, a router's rows are small.
        for (int i = 0; i < values.Length; i++) values[i] = 1 + 0.1f * random.NextSingle();
        byte[] bytes = GC.AllocateUninitializedArray<byte>(values.Length * sizeof(float), pinned: true);
        MemoryMarshal.AsBytes(values.AsSpan()).CopyTo(bytes);
        return Stored(name, DType.F32, shape.ToArray(), bytes);
    }

    public StoredMatrix Matrix(string name, int rows, int columns)
    {
        if (name.EndsWith("router.proj", StringComparison.Ordinal)) return Dense(name, DType.F32, rows, columns);
        bool isEmbedding = name.EndsWith("embed_tokens", StringComparison.Ordinal);
        return format.Dense is { } dtype ? Dense(name, dtype, rows, columns, isEmbedding ? (byte)0x3a : (byte)0x3c)
            : new SyntheticMatrix(name, rows, columns, format, random.Next(), isEmbedding ? EmbeddingDeviation : Deviation);
    }

    public ExpertWeights Experts(string name, int count, int intermediateSize, int hiddenSize) => new(
        [.. Enumerable.Range(0, count).Select(e => Matrix($"{name}.{e}.gate_proj", intermediateSize, hiddenSize))],
        [.. Enumerable.Range(0, count).Select(e => Matrix($"{name}.{e}.up_proj", intermediateSize, hiddenSize))],
        [.. Enumerable.Range(0, count).Select(e => Matrix($"{name}.{e}.down_proj", hiddenSize, intermediateSize))]);

    public void IgnoreModule(string name)
    {
        // There is nothing to ignore.
    }

    public IReadOnlyList<string> Unused() => [];

    /// <param name="high">Upper bits of every value: 0x3c for 2^-7 to 2^-5, 0x3a for 2^-11 to 2^-9, either sign.</param>
    private DenseMatrix Dense(string name, DType dtype, int rows, int columns, byte high = 0x3c)
    {
        byte[] bytes = GC.AllocateUninitializedArray<byte>(checked(rows * columns * dtype.Size()), pinned: true);
        random.NextBytes(bytes.AsSpan(0, Math.Min(bytes.Length, 1 << 20)));
        for (int i = dtype.Size() - 1; i < Math.Min(bytes.Length, 1 << 20); i += dtype.Size())
            bytes[i] = (byte)((bytes[i] & 0x80) | high);
        for (int at = 1 << 20; at < bytes.Length; at += 1 << 20)
            bytes.AsSpan(0, Math.Min(1 << 20, bytes.Length - at)).CopyTo(bytes.AsSpan(at));
        return new DenseMatrix(Stored(name, dtype, [rows, columns], bytes));
    }

    private static StoredTensor Stored(string name, DType dtype, long[] shape, byte[] pinned)
        => new(name, dtype, shape, Marshal.UnsafeAddrOfPinnedArrayElement(pinned, 0), pinned);
}

/// <summary>Random codes with one scale, computed when asked for.</summary>
internal sealed class SyntheticMatrix(string name, int rows, int columns, WeightFormat format, int seed, float deviation)
    : QuantizedMatrix(name, rows, columns, format)
{
    private static readonly byte[] pool = Pool();
    private readonly float scale = (float)(Half)(deviation / MathF.Pow(2, format.Code!.Bits - 2));

    public override long ByteLength => (long)Rows * Columns * Format.Bits / 8;
    public override DType ScaleType => DType.F16;

    public override void ReadCodes(int row, Span<byte> codes)
    {
        uint mixed = (uint)seed * 0x9e3779b1 + (uint)row * 0x85ebca6b; // not HashCode, which differs from process to process
        int start = (int)((mixed ^ (mixed >> 15)) % (uint)(pool.Length - codes.Length));
        pool.AsSpan(start, codes.Length).CopyTo(codes);
        byte mask = (byte)((1 << Code.Bits) - 1);
        if (mask == 0xff) return;
        foreach (ref byte code in codes) code &= mask;
    }

    public override void ReadScales(int row, Span<float> scales, Span<float> offsets)
    {
        scales.Fill(scale);
        offsets.Fill((float)Offset);
    }

    public override void ReadHalfScales(int row, Span<Half> scales, Span<Half> offsets)
    {
        scales.Fill((Half)scale);
        offsets.Fill(Offset);
    }

    private Half Offset => Format.HasOffsets ? (Half)(-scale * (1 << (Code.Bits - 1))) : default;

    public override StoredMatrix SliceRows(int first, int count) => new SyntheticMatrix(Name, count, Columns, Format, seed + first, deviation);

    private static byte[] Pool()
    {
        byte[] bytes = new byte[1 << 20];
        new Random(2).NextBytes(bytes);
        return bytes;
    }
}
