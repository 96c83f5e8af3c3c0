using System.Runtime.ExceptionServices;
using Lapidary.Checkpoints;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>A quantised matrix packed into panels of 16 rows (<see cref="PanelLayout"/>). Rows and columns beyond the last are 0.</summary>
internal sealed unsafe class IntegerPanels : IDisposable
{
    private const int PieceBytes = 2 << 20; // packed by one thread: an expert's matrix, a part of a large one

    private readonly object owner; // of the memory: a file, or LargeMemory
    private byte* memory;

    /// <param name="owner">Of the memory, kept; disposed of with the panels where it is theirs alone.</param>
    private IntegerPanels(QuantizedMatrix matrix, PanelLayout layout, byte* memory, object owner)
    {
        Rows = matrix.Rows;
        Steps = StepsOf(matrix);
        Panels = PanelsOf(matrix);
        Layout = layout;
        PanelBytes = layout.PanelBytes(Steps);
        this.memory = memory;
        this.owner = owner;
    }

    /// <exception cref="BackendException">A scale that is not finite.</exception>
    public static IntegerPanels Pack(QuantizedMatrix matrix)
    {
        PanelLayout layout = PanelLayout.For(matrix.Format, PanelScales.SmallestKind(matrix), matrix.GroupsPerBlock);
        nuint bytes = checked((nuint)PanelsOf(matrix) * (nuint)layout.PanelBytes(StepsOf(matrix)));
        LargeMemory memory = new(bytes);
        IntegerPanels panels = new(matrix, layout, memory.Address, memory);
        try
        {
            int some = (int)Math.Clamp(PieceBytes / panels.PanelBytes, 1, panels.Panels);
            if (some == panels.Panels)
            {
                using PanelWriter writer = new(matrix, panels);
                writer.Write(0, some);
                return panels;
            }
            Parallel.For(0, (panels.Panels + some - 1) / some, () => new PanelWriter(matrix, panels), (piece, _, writer) =>
            {
                writer.Write(piece * some, Math.Min(panels.Panels, (piece + 1) * some));
                return writer;
            }, writer => writer.Dispose());
            return panels;
        }
        catch (Exception exception)
        {
            panels.Dispose();
            // What is wrong with the matrix, not how many threads met it.
            ExceptionDispatchInfo.Throw(exception is AggregateException all ? all.InnerExceptions[0] : exception);
            throw;
        }
    }

    /// <summary>Panels packed before, where they are stored; null when the tensor has another size.</summary>
    /// <param name="tensor">[panels, bytes of a panel]</param>
    public static IntegerPanels? Stored(QuantizedMatrix matrix, ScaleKind scales, StoredTensor tensor)
    {
        PanelLayout layout = PanelLayout.For(matrix.Format, scales, matrix.GroupsPerBlock);
        return tensor.DType == DType.U8 && tensor.Shape.SequenceEqual([PanelsOf(matrix), layout.PanelBytes(StepsOf(matrix))])
            ? new(matrix, layout, (byte*)tensor.Address, tensor)
            : null;
    }

    public PanelLayout Layout { get; }
    public int Rows { get; }
    public int Steps { get; }
    public int Panels { get; }
    public nint PanelBytes { get; }

    /// <summary>Bytes of all panels.</summary>
    public long ByteLength => Panels * PanelBytes;

    public byte* Panel(int panel) => memory + panel * PanelBytes;

    /// <summary>Bit r is set where row r of the panel exists.</summary>
    public nint RowMask(int panel) => (nint)((1u << Math.Min(PanelLayout.Rows, Rows - panel * PanelLayout.Rows)) - 1);

    public void Dispose()
    {
        (owner as LargeMemory)?.Dispose();
        memory = null;
    }

    private static int StepsOf(QuantizedMatrix matrix) => (matrix.Columns + PanelLayout.StepColumns - 1) / PanelLayout.StepColumns;

    private static int PanelsOf(QuantizedMatrix matrix) => (matrix.Rows + PanelLayout.Rows - 1) / PanelLayout.Rows;
}
