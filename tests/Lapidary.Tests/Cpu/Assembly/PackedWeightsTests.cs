using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Cpu.Assembly;
using Lapidary.Quantization;
using Lapidary.Tests.Checkpoints;

namespace Lapidary.Tests.Cpu.Assembly;

/// <summary>Panels come back from a file as they were packed, or not at all.</summary>
public sealed unsafe class PackedWeightsTests
{
    private const string Source = "made of these files";

    private static QuantizedMatrix Matrix(int seed = 5, int rows = 37, string name = "m")
        => new RandomMatrix(rows, 96, WeightFormat.OfCodes(CodeType.Int(4), 32), seed, value => (float)(Half)value, name);

    private static string Write(CheckpointFolder folder, params QuantizedMatrix[] matrices)
    {
        PackedWeightsWriter writer = new();
        IntegerPanels[] panels = [.. matrices.Select(IntegerPanels.Pack)];
        foreach ((QuantizedMatrix matrix, IntegerPanels packed) in matrices.Zip(panels)) writer.Packed(matrix, packed);
        writer.Write(folder["model.packed"], Source, (_, _) => { }, TestContext.Current.CancellationToken);
        foreach (IntegerPanels packed in panels) packed.Dispose();
        return folder["model.packed"];
    }

    private static ReadOnlySpan<byte> Bytes(IntegerPanels panels) => new(panels.Panel(0), (int)panels.ByteLength);

    [Fact]
    public void Panels_are_found_as_they_were_packed()
    {
        using CheckpointFolder folder = new();
        using PackedWeights stored = PackedWeights.Open(Write(folder, Matrix(), Matrix(seed: 6, name: "n")), Source);
        foreach (QuantizedMatrix matrix in (QuantizedMatrix[])[Matrix(), Matrix(seed: 6, name: "n")])
        {
            using IntegerPanels expected = IntegerPanels.Pack(matrix), other = IntegerPanels.Pack(Matrix(seed: 7));
            using IntegerPanels? found = stored.Find(matrix);
            Assert.NotNull(found);
            Assert.Equal(expected.Layout, found.Layout);
            Assert.True(Bytes(expected).SequenceEqual(Bytes(found)));
            Assert.False(Bytes(other).SequenceEqual(Bytes(found)));
        }
    }

    [Fact]
    public void Another_matrix_is_not_found()
    {
        using CheckpointFolder folder = new();
        using PackedWeights stored = PackedWeights.Open(Write(folder, Matrix()), Source);
        Assert.Null(stored.Find(Matrix(name: "n")));
        Assert.Null(stored.Find(Matrix(rows: 50)));
    }

    [Fact]
    public void Two_matrices_of_one_name_are_not_stored()
    {
        using CheckpointFolder folder = new();
        using PackedWeights stored = PackedWeights.Open(Write(folder, Matrix(), Matrix(seed: 6), Matrix(seed: 7, name: "n"), Matrix(seed: 8)), Source);
        Assert.Null(stored.Find(Matrix()));
        Assert.NotNull(stored.Find(Matrix(seed: 7, name: "n")));
    }

    [Fact]
    public void What_was_packed_from_other_files_is_refused()
    {
        using CheckpointFolder folder = new();
        string path = Write(folder, Matrix());
        Assert.Contains("was packed from other files", Assert.Throws<CheckpointException>(() => PackedWeights.Open(path, "others")).Message, StringComparison.Ordinal);
        Assert.Contains("is \"no file of packed weights\"", Assert.Throws<CheckpointException>(() => PackedWeights.Open(folder.WriteTensors("a.packed", "a"), Source)).Message, StringComparison.Ordinal);
        using (FileStream file = new(path, FileMode.Open)) file.SetLength(file.Length - 1);
        Assert.Contains("missing", Assert.Throws<CheckpointException>(() => PackedWeights.Open(path, Source)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_fingerprint_tells_of_a_change()
    {
        using CheckpointFolder folder = new();
        byte[] bytes = new byte[1 << 16];
        string path = folder.Write("model.gguf", bytes), before = FileFingerprint.Of([path]);
        DateTime time = File.GetLastWriteTimeUtc(path);
        Assert.Equal(before, FileFingerprint.Of([path]));
        bytes[40_000]++;
        folder.Write("model.gguf", bytes);
        File.SetLastWriteTimeUtc(path, time);
        Assert.NotEqual(before, FileFingerprint.Of([path]));
        bytes[40_000]--;
        folder.Write("model.gguf", bytes);
        File.SetLastWriteTimeUtc(path, time.AddSeconds(1));
        Assert.NotEqual(before, FileFingerprint.Of([path]));
    }
}
