using Lapidary.Checkpoints;
using Lapidary.Cpu.Assembly;
using Lapidary.Quantization;

namespace Lapidary.Cpu;

/// <summary>Where packed weights come from in place of packing them, or go to once they are packed.</summary>
public abstract class PanelStore
{
    private protected PanelStore()
    {
    }

    internal abstract IntegerPanels? Find(QuantizedMatrix matrix);

    /// <summary>A matrix that was not found has been packed.</summary>
    internal abstract void Packed(QuantizedMatrix matrix, IntegerPanels panels);

    /// <summary>A matrix of one name may be packed with scales of several kinds.</summary>
    private protected static string Name(QuantizedMatrix matrix, ScaleKind scales) => $"{matrix.Name}#{scales}";
}

/// <summary>
/// A file of weights as <see cref="PackedWeightsWriter"/> leaves them, mapped: loading a model with it packs nothing and
/// takes no memory beside the file's own. A safetensors file of one U8 tensor [panels, bytes of a panel] a matrix.
/// </summary>
public sealed class PackedWeights : PanelStore, IDisposable
{
    internal const string FormatKey = "format", Format = "lapidary packed panels 1", SourceKey = "source";

    private static readonly ScaleKind[] scaleKinds = Enum.GetValues<ScaleKind>();
    private readonly SafetensorsFile file;

    private PackedWeights(SafetensorsFile file) => this.file = file;

    /// <param name="source"><see cref="FileFingerprint"/> of the model's files.</param>
    /// <exception cref="CheckpointException">It is damaged, of another version, or packed from other files; the message says what to do.</exception>
    public static PackedWeights Open(string path, string source)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        string? reason = file.Metadata.GetValueOrDefault(FormatKey) is var format && format != Format
            ? $"is {MessageText.Quote(format ?? "no file of packed weights")}, expected {MessageText.Quote(Format)}"
            : file.Metadata.GetValueOrDefault(SourceKey) != source ? "was packed from other files, or before they changed"
            : null;
        if (reason is null) return new PackedWeights(file);
        file.Dispose();
        throw new CheckpointException($"{path} {reason}; pack the model again (lapidary quantize MODEL --format packed) or remove the file");
    }

    internal override IntegerPanels? Find(QuantizedMatrix matrix)
    {
        foreach (ScaleKind scales in scaleKinds)
            if (file.Find(Name(matrix, scales)) is { } tensor) return IntegerPanels.Stored(matrix, scales, tensor);
        return null;
    }

    internal override void Packed(QuantizedMatrix matrix, IntegerPanels panels)
    {
        // Not in the file: it is used from memory.
    }

    public void Dispose() => file.Dispose();
}

/// <summary>Remembers what a model packs while it loads, and writes it to a file.</summary>
public sealed class PackedWeightsWriter : PanelStore
{
    private const int PageBytes = 4096, ChunkBytes = 1 << 20;

    private readonly Dictionary<string, IntegerPanels> packed = new(StringComparer.Ordinal);
    private readonly HashSet<string> ambiguous = new(StringComparer.Ordinal);
    private readonly Lock gate = new(); // experts are packed in parallel

    /// <summary>Matrices packed so far.</summary>
    public int Matrices => packed.Count;

    /// <summary>Bytes of all panels.</summary>
    public long ByteLength => packed.Values.Sum(panels => panels.ByteLength);

    internal override IntegerPanels? Find(QuantizedMatrix matrix) => null;

    internal override void Packed(QuantizedMatrix matrix, IntegerPanels panels)
    {
        string name = Name(matrix, panels.Layout.Scales);
        lock (gate)
        {
            // Parts of a tensor whose names do not tell them apart stay out of the file and are packed at load.
            if (ambiguous.Contains(name) || packed.TryAdd(name, panels)) return;
            packed.Remove(name);
            ambiguous.Add(name);
        }
    }

    /// <summary>Writes all panels; the model must still be open.</summary>
    /// <param name="source"><see cref="FileFingerprint"/> of the model's files.</param>
    /// <param name="progress">Told (matrices written, matrices in all).</param>
    /// <exception cref="CheckpointException">The file cannot be written.</exception>
    public void Write(string path, string source, Action<int, int> progress, CancellationToken cancel)
    {
        int written = 0;
        SafetensorsWriter.WriteFile(path, packed.Select(entry => new TensorToWrite(entry.Key, DType.U8, [entry.Value.Panels, entry.Value.PanelBytes], stream =>
        {
            cancel.ThrowIfCancellationRequested();
            Copy(entry.Value, stream);
            progress(++written, packed.Count);
        })), new Dictionary<string, string> { [PackedWeights.FormatKey] = PackedWeights.Format, [PackedWeights.SourceKey] = source }, PageBytes);
    }

    private static unsafe void Copy(IntegerPanels panels, Stream stream)
    {
        for (long offset = 0; offset < panels.ByteLength; offset += ChunkBytes)
            stream.Write(new ReadOnlySpan<byte>(panels.Panel(0) + offset, (int)Math.Min(ChunkBytes, panels.ByteLength - offset)));
    }
}
