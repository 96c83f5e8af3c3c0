using Lapidary.Checkpoints;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Lora;

/// <summary>A matrix in memory of its own.</summary>
internal sealed record AdapterMatrix(CpuBuffer Memory, StoredTensor Tensor) : IDisposable
{
    public void Dispose() => Memory.Dispose();
}

/// <summary>
/// Copies of an adapter's matrices in native memory, so that its file may change or go. BF16 stays BF16, all else becomes F32.
/// </summary>
internal static unsafe class AdapterCopy
{
    /// <summary>The matrix as it is: [rows, columns].</summary>
    public static AdapterMatrix Rows(StoredMatrix matrix)
    {
        Target target = new(matrix.Name, Memory(matrix, matrix.Rows, matrix.Columns));
        var row = new float[matrix.Columns];
        for (int r = 0; r < matrix.Rows; r++)
        {
            matrix.ReadRow(r, row);
            for (int c = 0; c < row.Length; c++) target.Set(r, c, row[c]);
        }
        return target.Matrix;
    }

    /// <summary>The matrix with rows as columns: [columns, rows]; then <paramref name="last"/>, [1, rows], as one more row.</summary>
    public static AdapterMatrix Columns(StoredMatrix matrix, StoredMatrix? last)
    {
        Target target = new(matrix.Name, Memory(matrix, matrix.Columns + (last is null ? 0 : 1), matrix.Rows));
        var row = new float[Math.Max(matrix.Columns, matrix.Rows)];
        for (int r = 0; r < matrix.Rows; r++)
        {
            matrix.ReadRow(r, row.AsSpan(0, matrix.Columns));
            for (int c = 0; c < matrix.Columns; c++) target.Set(c, r, row[c]);
        }
        last?.ReadRow(0, row.AsSpan(0, matrix.Rows));
        for (int r = 0; last is not null && r < matrix.Rows; r++) target.Set(matrix.Columns, r, row[r]);
        return target.Matrix;
    }

    private static CpuBuffer Memory(StoredMatrix matrix, int rows, int columns)
        => new(matrix.Format.Dense == DType.BF16 ? DType.BF16 : DType.F32, rows, columns);

    private readonly struct Target(string name, CpuBuffer memory)
    {
        public AdapterMatrix Matrix
            => new(memory, new StoredTensor(name, memory.DType, [memory.Capacity, memory.Columns], (nint)memory.Address, owner: memory));

        public void Set(int row, int column, float value)
        {
            nint index = (nint)row * memory.Columns + column;
            if (memory.DType == DType.F32) ((float*)memory.Address)[index] = value;
            else ((ushort*)memory.Address)[index] = (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16); // exact: it was BF16
        }
    }
}
