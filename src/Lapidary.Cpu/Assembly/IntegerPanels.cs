using System.Runtime.ExceptionServices;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>A quantised matrix packed into panels of 16 rows (<see cref="PanelLayout"/>). Rows and columns beyond the last are 0.</summary>
internal sealed unsafe class IntegerPanels : IDisposable
{
    private byte* memory;

    /// <exception cref="BackendException">A scale that is not finite.</exception>
    public IntegerPanels(QuantizedMatrix matrix)
    {
        Rows = matrix.Rows;
        Steps = (matrix.Columns + PanelLayout.StepColumns - 1) / PanelLayout.StepColumns;
        Panels = (Rows + PanelLayout.Rows - 1) / PanelLayout.Rows;
        Layout = PanelLayout.For(matrix.Format, PanelScales.SmallestKind(matrix), matrix.GroupsPerBlock);
        PanelBytes = Layout.PanelBytes(Steps);
        nuint bytes = checked((nuint)Panels * (nuint)PanelBytes);
        memory = (byte*)LargePages.Allocate(bytes);
        try
        {
            Parallel.For(0, Panels, () => new PanelWriter(matrix, this), (panel, _, writer) => writer.Write(panel), _ => { });
        }
        catch (AggregateException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]); // what is wrong with the matrix, not how many threads met it
        }
    }

    ~IntegerPanels() => Free();

    public PanelLayout Layout { get; }
    public int Rows { get; }
    public int Steps { get; }
    public int Panels { get; }
    public nint PanelBytes { get; }

    public byte* Panel(int panel) => memory + panel * PanelBytes;

    /// <summary>Bit r is set where row r of the panel exists.</summary>
    public nint RowMask(int panel) => (nint)((1u << Math.Min(PanelLayout.Rows, Rows - panel * PanelLayout.Rows)) - 1);

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (memory == null) return;
        LargePages.Free(memory);
        memory = null;
    }
}
