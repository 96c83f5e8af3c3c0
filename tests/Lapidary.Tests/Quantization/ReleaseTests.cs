using Lapidary.Checkpoints;
using Lapidary.Cpu.Assembly;
using Lapidary.Quantization;
using Lapidary.Tests.Checkpoints;

namespace Lapidary.Tests.Quantization;

/// <summary>What is left of a file in memory once its weights are packed.</summary>
public sealed class ReleaseTests
{
    private const int Extent = 4096, Groups = Extent / 32, Window = 2 << 20;
    private const string Linear = "model.layers.0.self_attn.q_proj.";

    private static TensorToWrite Bytes(string name, DType dtype, long[] shape, byte value)
    {
        byte[] bytes = new byte[shape.Aggregate((long)dtype.Size(), (product, extent) => product * extent)];
        bytes.AsSpan().Fill(value);
        return TensorToWrite.From(name, dtype, shape, bytes);
    }

    private static TensorToWrite[] Parts(string fixture) => fixture switch
    {
        "ct_int4_sym" => [
            Bytes(Linear + "weight_packed", DType.I32, [Extent, Extent / 8], 0x5a),
            Bytes(Linear + "weight_scale", DType.BF16, [Extent, Groups], 0x3c)],
        _ => [
            Bytes(Linear + "qweight", DType.I32, [Extent, Extent / 8], 0x5a),
            Bytes(Linear + "qzeros", DType.I32, [Groups, Extent / 8], 0x77),
            Bytes(Linear + "scales", DType.F16, [Groups, Extent], 0x3c)],
    };

    [Theory]
    [InlineData("ct_int4_sym")] // row after row
    [InlineData("awq_g32")] // rows in each other
    public void Packed_weights_leave_no_window_of_their_file_in_memory(string fixture)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "other systems decide alone what stays in memory");
        using CheckpointFolder folder = new();
        string path = folder["model.safetensors"];
        SafetensorsWriter.WriteFile(path, [Bytes("model.embed_tokens.weight", DType.F32, [1, 1], 0), .. Parts(fixture)]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        TensorSource source = new(file, QuantFixtures.Parse(QuantFixtures.All[fixture].Config));
        QuantizedMatrix matrix = (QuantizedMatrix)source.Matrix("layers.0.self_attn.q_proj", Extent, Extent);
        float[] before = new float[Extent], after = new float[Extent];
        matrix.ReadRow(Extent - 1, before);

        QuantizedMatrix first = (QuantizedMatrix)matrix.SliceRows(0, Extent / 2), second = (QuantizedMatrix)matrix.SliceRows(Extent / 2, Extent / 2);
        using IntegerPanels upper = IntegerPanels.Pack(first);
        Assert.True(MappedFileTests.Resident(path) > Window); // what the other half needs, too
        using IntegerPanels lower = IntegerPanels.Pack(second);
        Assert.InRange(MappedFileTests.Resident(path), 0, Window); // of the header and the embedding

        matrix.ReadRow(Extent - 1, after);
        Assert.Equal(before, after); // from the file again
    }
}
