using System.Runtime.InteropServices;

namespace Lapidary.Cpu;

/// <summary>A 64-byte aligned matrix in native memory, or a view of some of its columns.</summary>
internal sealed unsafe class CpuBuffer : IBuffer
{
    private const nuint Alignment = 64;
    private readonly CpuBuffer? parent;
    private void* memory;
    private int rows;

    public CpuBuffer(DType dtype, int capacity, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        DType = dtype;
        Capacity = capacity;
        Columns = columns;
        Stride = columns;
        nuint bytes = checked((nuint)capacity * (nuint)columns * (nuint)dtype.Size());
        memory = NativeMemory.AlignedAlloc(Math.Max(bytes, Alignment), Alignment);
        Address = memory;
    }

    private CpuBuffer(CpuBuffer parent, int first, int count)
    {
        this.parent = parent;
        DType = parent.DType;
        Capacity = parent.Capacity;
        Columns = count;
        Stride = parent.Stride;
        Address = (byte*)parent.Address + (nint)first * parent.DType.Size();
    }

    ~CpuBuffer() => Free();

    public DType DType { get; }
    public int Capacity { get; }
    public int Columns { get; }

    /// <summary>Elements from one row to the next.</summary>
    public int Stride { get; }
    public void* Address { get; }

    public int Rows
    {
        get => parent?.Rows ?? rows;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, Capacity);
            if (parent is null) rows = value;
            else parent.Rows = value;
        }
    }

    public float* Row(int row) => (float*)Address + (nint)row * Stride;

    public int* IntRow(int row) => (int*)Address + (nint)row * Stride;

    public IBuffer SliceColumns(int first, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first + count, Columns);
        return new CpuBuffer(this, first, count);
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(memory);
        memory = null;
    }
}
