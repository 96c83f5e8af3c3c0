namespace Lapidary;

/// <summary>
/// A matrix in device memory, row-major. Only kernels touch its elements; the host sees its extents.
/// Rows is how many of the allocated rows the current step uses and is host metadata.
/// </summary>
public interface IBuffer : IDisposable
{
    DType DType { get; }

    /// <summary>Allocated rows.</summary>
    int Capacity { get; }
    int Columns { get; }

    /// <summary>Rows in use, 0 to <see cref="Capacity"/>. Setting it on a view sets it on the whole.</summary>
    int Rows { get; set; }

    /// <summary>A view of some columns of every row; shares memory and row count, owns nothing.</summary>
    IBuffer SliceColumns(int first, int count);
}

/// <summary>
/// Keys and values of one layer in device memory, rounded to <see cref="Type"/> when they are written. Slots, one for each
/// position of each block, hold those of all heads.
/// </summary>
public interface IKeyValues : IDisposable
{
    KeyValueType Type { get; }

    /// <summary>Heads of keys and values.</summary>
    int Heads { get; }
    int HeadDim { get; }
}

/// <summary>A weight matrix [out, in] in the device's own layout.</summary>
public interface ILinear : IDisposable
{
    int OutFeatures { get; }
    int InFeatures { get; }

    /// <summary>Bytes of the weights in the device's layout: what one product reads.</summary>
    long ByteLength { get; }
}

/// <summary>A table [rows, columns] from which rows are looked up by id.</summary>
public interface IEmbedding : IDisposable
{
    int Rows { get; }
    int Columns { get; }
}

/// <summary>A gated activation closed for one device, made once at load.</summary>
public interface IGatedActivation
{
    Activation Activation { get; }
}
