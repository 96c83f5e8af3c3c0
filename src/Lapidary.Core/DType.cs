namespace Lapidary;

/// <summary>Element types of stored and computed tensors, with the names used in safetensors headers.</summary>
public enum DType
{
    F32,
    F16,
    BF16,
    I32,
    I64,
    U8,
    F64,
    I8,
    I16,
    U16,
    U32,
    U64,
    BOOL,

    /// <summary>4 exponent bits, 3 mantissa bits, no infinities (OCP E4M3).</summary>
    F8_E4M3,

    /// <summary>5 exponent bits, 2 mantissa bits.</summary>
    F8_E5M2,

    /// <summary>8 exponent bits alone: 2^(code - 127), 255 for NaN (OCP MX scales).</summary>
    F8_E8M0,
}

public static class DTypes
{
    private static readonly string[] names = Enum.GetNames<DType>();

    /// <summary>Every name a safetensors header may use here, e.g. "BF16"; the index is the <see cref="DType"/>.</summary>
    public static IReadOnlyList<string> Names => names;

    /// <summary>Bytes per element.</summary>
    public static int Size(this DType dtype) => dtype switch
    {
        DType.F64 or DType.I64 or DType.U64 => 8,
        DType.F32 or DType.I32 or DType.U32 => 4,
        DType.F16 or DType.BF16 or DType.I16 or DType.U16 => 2,
        DType.U8 or DType.I8 or DType.BOOL or DType.F8_E4M3 or DType.F8_E5M2 or DType.F8_E8M0 => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype)),
    };

    /// <summary>The element type of that safetensors name; names are case-sensitive.</summary>
    /// <exception cref="CheckpointException">The name is not known; the message lists the known ones.</exception>
    public static DType Parse(string name)
    {
        int index = Array.IndexOf(names, name);
        if (index < 0) throw new CheckpointException($"dtype {MessageText.Quote(name)} is not supported; known: {string.Join(", ", names)}");
        return (DType)index;
    }
}
