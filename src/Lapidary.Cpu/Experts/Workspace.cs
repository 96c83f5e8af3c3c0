namespace Lapidary.Cpu.Experts;

/// <summary>Memory for the intermediate results of expert layers. Layers run one after the other, so all of a device share it.</summary>
internal sealed unsafe class Workspace : IDisposable
{
    private const int RowFloats = 1024;
    private CpuBuffer? memory;

    public float* Floats => memory is null ? null : memory.Row(0);

    /// <summary>Grows to at least that many floats. Pages that nothing is written to take no memory.</summary>
    public void Reserve(long floats)
    {
        int rows = checked((int)((floats + RowFloats - 1) / RowFloats));
        if (memory is not null && memory.Capacity >= rows) return;
        memory?.Dispose();
        memory = new CpuBuffer(DType.F32, rows, RowFloats);
    }

    public void Dispose() => memory?.Dispose();
}
