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
}

public static class DTypes
{
    /// <summary>Bytes per element.</summary>
    public static int Size(this DType dtype) => dtype switch
    {
        DType.F32 or DType.I32 => 4,
        DType.F16 or DType.BF16 => 2,
        DType.I64 => 8,
        DType.U8 => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype)),
    };
}
