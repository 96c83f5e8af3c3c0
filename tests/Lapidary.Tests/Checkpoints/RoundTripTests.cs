using CsCheck;
using Lapidary.Checkpoints;

namespace Lapidary.Tests.Checkpoints;

public sealed class RoundTripTests
{
    private sealed record Tensor(string Name, DType DType, long[] Shape, byte[] Bytes);

    // Extent 0 is common on purpose: zero-byte tensors share their offset with a neighbour.
    private static readonly Gen<Tensor> tensors =
        from name in Gen.String[0, 12]
        where name != "__metadata__" && !HasHalfPair(name)
        from dtype in Gen.Enum<DType>()
        from shape in Gen.Long[0, 4].Array[0, 6]
        let length = checked((int)shape.Aggregate(1L, (product, extent) => product * extent)) * dtype.Size()
        from bytes in Gen.Byte.Array[length]
        select new Tensor(name, dtype, shape, bytes);

    private static readonly Gen<(List<Tensor>, Dictionary<string, string>)> files = Gen.Select(
        tensors.List[0, 12].Select(list => list.DistinctBy(tensor => tensor.Name).ToList()),
        Gen.Dictionary(Gen.String.AlphaNumeric, Gen.String.AlphaNumeric)[0, 3]);

    [Fact]
    public void What_is_written_is_read_back_byte_for_byte()
    {
        using CheckpointFolder folder = new();
        files.Sample((list, metadata) =>
        {
            string path = folder[$"{Guid.NewGuid()}.safetensors"];
            SafetensorsWriter.WriteFile(path, list.Select(one => TensorToWrite.From(one.Name, one.DType, one.Shape, one.Bytes)), metadata);
            using SafetensorsFile file = SafetensorsFile.Open(path);
            Assert.Equal(list.Select(one => one.Name).Order(StringComparer.Ordinal), file.Names.Order(StringComparer.Ordinal));
            Assert.Equal(metadata, file.Metadata);
            foreach (Tensor expected in list) AssertSame(expected, file.Find(expected.Name)!);
        }, iter: 300);
    }

    [Fact]
    public void A_copy_of_a_file_is_the_same_file()
    {
        using CheckpointFolder folder = new();
        SafetensorsWriter.WriteFile(folder["a"], [
            TensorToWrite.From("big", DType.F32, [3, 1 << 18], new byte[3 << 20]),
            TensorToWrite.From("small", DType.U8, [3], new byte[] { 1, 2, 3 })]);
        using (SafetensorsFile file = SafetensorsFile.Open(folder["a"]))
            SafetensorsWriter.WriteFile(folder["b"], file.Names.Select(name => TensorToWrite.From(file.Find(name)!)));
        Assert.Equal(File.ReadAllBytes(folder["a"]), File.ReadAllBytes(folder["b"]));
        Assert.Equal([folder["a"], folder["b"]], Directory.GetFiles(folder.Path).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Header_is_padded_and_every_tensor_is_aligned_to_its_element()
    {
        using MemoryStream stream = new();
        SafetensorsWriter.Write(stream, [
            TensorToWrite.From("c", DType.U8, [3], new byte[3]),
            TensorToWrite.From("b", DType.BF16, [5], new byte[10]),
            TensorToWrite.From("a", DType.F64, [1], new byte[8])]);
        byte[] bytes = stream.ToArray();
        int header = BitConverter.ToInt32(bytes);
        Assert.Equal(0, header % 8);
        string json = System.Text.Encoding.UTF8.GetString(bytes, 8, header);
        Assert.Equal("""{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[5],"data_offsets":[8,18]},"c":{"dtype":"U8","shape":[3],"data_offsets":[18,21]}}""", json.TrimEnd(' '));
    }

    [Fact]
    public void Writer_refuses_what_it_could_not_read_back_and_leaves_no_file()
    {
        using CheckpointFolder folder = new();
        TensorToWrite good = TensorToWrite.From("a", DType.U8, [1], new byte[1]);
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.WriteFile(folder["x"], [good, good]));
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.WriteFile(folder["x"], [good with { Name = "__metadata__" }]));
        Assert.ThrowsAny<ArgumentException>(() => SafetensorsWriter.WriteFile(folder["x"], [good with { Name = "\ud800" }]));
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.WriteFile(folder["x"], [good with { Shape = new long[9] }]));
        Assert.Throws<InvalidOperationException>(() => SafetensorsWriter.WriteFile(folder["x"], [good with { Shape = [2] }]));
        Assert.Throws<CheckpointException>(() => SafetensorsWriter.WriteFile(folder["none/x"], [good]));
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    private static void AssertSame(Tensor expected, StoredTensor actual)
    {
        Assert.Equal(expected.Name, actual.Name);
        Assert.Equal(expected.DType, actual.DType);
        Assert.Equal(expected.Shape, actual.Shape);
        Assert.Equal(expected.Bytes, actual.Bytes(0, expected.Bytes.Length).ToArray());
    }

    private static bool HasHalfPair(string name) => name.EnumerateRunes().Any(rune => rune.Value == 0xFFFD);
}
