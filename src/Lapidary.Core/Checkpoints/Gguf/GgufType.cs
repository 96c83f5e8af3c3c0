using Lapidary.Quantization;

namespace Lapidary.Checkpoints.Gguf;

/// <summary>How the elements of a GGUF tensor are stored: blocks of so many elements in so many bytes.</summary>
/// <param name="Id">The number in the file (ggml's type ids).</param>
/// <param name="Name">ggml's name, e.g. "Q4_0".</param>
public sealed record GgufType(uint Id, string Name, int BlockElements, int BlockBytes)
{
    /// <summary>Types that have had a meaning since GGUF v2; ids 4, 5, 31 to 33 and 36 to 38 were withdrawn.</summary>
    public static IReadOnlyList<GgufType> All { get; } =
    [
        new(0, "F32", 1, 4) { Open = Dense(DType.F32) }, new(1, "F16", 1, 2) { Open = Dense(DType.F16) },
        new(2, "Q4_0", 32, 18) { Open = Coded<Q4_0> }, new(3, "Q4_1", 32, 20) { Open = Coded<Q4_1> },
        new(6, "Q5_0", 32, 22) { Open = Coded<Q5_0> }, new(7, "Q5_1", 32, 24) { Open = Coded<Q5_1> },
        new(8, "Q8_0", 32, 34) { Open = Coded<Q8_0> }, new(9, "Q8_1", 32, 36),
        new(10, "Q2_K", 256, 84) { Open = Coded<Q2_K> }, new(11, "Q3_K", 256, 110) { Open = Coded<Q3_K> },
        new(12, "Q4_K", 256, 144) { Open = Coded<Q4_K> }, new(13, "Q5_K", 256, 176) { Open = Coded<Q5_K> },
        new(14, "Q6_K", 256, 210) { Open = Coded<Q6_K> }, new(15, "Q8_K", 256, 292), new(16, "IQ2_XXS", 256, 66), new(17, "IQ2_XS", 256, 74),
        new(18, "IQ3_XXS", 256, 98), new(19, "IQ1_S", 256, 50), new(20, "IQ4_NL", 32, 18) { Open = Coded<IQ4_NL> }, new(21, "IQ3_S", 256, 110),
        new(22, "IQ2_S", 256, 82), new(23, "IQ4_XS", 256, 136), new(24, "I8", 1, 1), new(25, "I16", 1, 2), new(26, "I32", 1, 4), new(27, "I64", 1, 8),
        new(28, "F64", 1, 8), new(29, "IQ1_M", 256, 56), new(30, "BF16", 1, 2) { Open = Dense(DType.BF16) }, new(34, "TQ1_0", 256, 54),
        new(35, "TQ2_0", 256, 66), new(39, "MXFP4", 32, 17) { Open = Coded<Mxfp4> },
    ];

    /// <summary>Opens a tensor of this type as a matrix [all axes but the last, last]; null when weights of this type are not read.</summary>
    internal Func<GgufFile, GgufTensor, StoredMatrix>? Open { get; private init; }

    /// <exception cref="CheckpointException">The id is not known.</exception>
    public static GgufType Of(uint id) => All.FirstOrDefault(type => type.Id == id)
        ?? throw new CheckpointException($"type {id} is not known; known: {string.Join(", ", All.Select(type => $"{type.Id} {type.Name}"))}");

    /// <summary>Bytes of that many elements, a multiple of <see cref="BlockElements"/>.</summary>
    public long Bytes(long elements) => checked(elements / BlockElements * BlockBytes);

    private static Func<GgufFile, GgufTensor, StoredMatrix> Dense(DType dtype) => (file, tensor) => new DenseMatrix(file.Stored(tensor, dtype));

    private static GgufMatrix<TBlock> Coded<TBlock>(GgufFile file, GgufTensor tensor) where TBlock : struct, IGgufBlock
        => new(file, tensor, 0, tensor.Rows);
}

/// <summary>A tensor's entry: where its blocks lie.</summary>
/// <param name="Shape">Slowest axis first, as everywhere here; the file has the fastest first.</param>
/// <param name="Offset">From the start of the data section, in bytes.</param>
public sealed record GgufTensor(string Name, GgufType Type, IReadOnlyList<long> Shape, long Offset, long ByteLength)
{
    public long End => Offset + ByteLength;

    /// <summary>Rows of the last axis.</summary>
    public int Rows => checked((int)Shape.SkipLast(1).Aggregate(1L, (product, extent) => product * extent));
}
