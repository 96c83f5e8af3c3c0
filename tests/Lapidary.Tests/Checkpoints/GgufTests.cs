using System.Text;
using Lapidary.Checkpoints.Gguf;

namespace Lapidary.Tests.Checkpoints;

/// <summary>The GGUF reader on well-formed files and on every way they can lie.</summary>
public sealed class GgufTests
{
    /// <summary>Writes a file as ggml's docs/gguf.md describes it; every field can be made wrong.</summary>
    private sealed class Writer
    {
        private readonly List<byte> bytes = [.. "GGUF"u8];

        public Writer(uint version = 3, ulong tensors = 1, ulong pairs = 2) => U32(version).U64(tensors).U64(pairs);

        public Writer Text(string text)
        {
            byte[] utf8 = Encoding.UTF8.GetBytes(text);
            U64((ulong)utf8.Length);
            bytes.AddRange(utf8);
            return this;
        }

        public Writer U32(uint value)
        {
            bytes.AddRange(BitConverter.GetBytes(value));
            return this;
        }

        public Writer U64(ulong value)
        {
            bytes.AddRange(BitConverter.GetBytes(value));
            return this;
        }

        public Writer Pairs() => Text("general.architecture").U32(8).Text("gemma4").Text("list").U32(9).U32(4).U64(3).U32(7).U32(8).U32(9);

        public Writer Tensor(string name, uint type, ulong offset, params ulong[] fastestFirst)
        {
            Text(name).U32((uint)fastestFirst.Length);
            foreach (ulong extent in fastestFirst) U64(extent);
            return U32(type).U64(offset);
        }

        public Writer Data(int length, int alignment = 32)
        {
            while (bytes.Count % alignment != 0) bytes.Add(0);
            bytes.AddRange(Enumerable.Range(0, length).Select(i => (byte)i));
            return this;
        }

        public byte[] File() => [.. bytes];
    }

    private static GgufFile Open(CheckpointFolder folder, byte[] file) => GgufFile.Open(folder.Write("model.gguf", file));

    private static Writer Good() => new Writer().Pairs().Tensor("blk.0.w", 2, 0, 64, 3).Data(108);

    [Fact]
    public void A_file_is_read_with_the_slowest_axis_first()
    {
        using CheckpointFolder folder = new();
        using GgufFile file = Open(folder, Good().File());
        GgufTensor tensor = Assert.Single(file.Tensors);
        Assert.Equal(("blk.0.w", "Q4_0", 108L), (tensor.Name, tensor.Type.Name, tensor.ByteLength)); // 6 blocks of 18 bytes
        Assert.Equal([3L, 64L], tensor.Shape);
        Assert.Equal(Enumerable.Range(0, 108).Select(i => (byte)i), file.Bytes(tensor, 0, 108).ToArray());
        Assert.Equal("gemma4", file.Metadata.String("general.architecture"));
        Assert.Equal([7.0, 8, 9], file.Metadata.Numbers("list")!);
        Assert.Null(file.Metadata.Int("absent"));
        Assert.Contains("list", Assert.Throws<CheckpointException>(() => file.Metadata.String("list")).Message);
    }

    public static TheoryData<string, byte[], string> Lies => new()
    {
        { "magic", [.. "GGML"u8, .. new byte[60]], "GGUF" },
        { "short", [.. "GGUF"u8, 3, 0], "version" },
        { "version", new Writer(version: 1).Pairs().File(), "version 1" },
        { "big-endian", new Writer(version: 0x03000000).Pairs().File(), "big-endian" },
        { "tensor count", new Writer(tensors: 1UL << 60).Pairs().File(), "number of tensors" },
        { "pair count", new Writer(pairs: ulong.MaxValue).Pairs().File(), "number of metadata pairs" },
        { "key length", new Writer().U64(1UL << 62).Data(64).File(), "limit" },
        { "string length", new Writer(0x3, 0, 1).Text("k").U32(8).U64(1UL << 62).Data(64).File(), "are present" },
        { "array length", new Writer(3, 0, 1).Text("k").U32(9).U32(4).U64(1UL << 61).Data(64).File(), "length" },
        { "array of arrays", new Writer(3, 0, 1).Text("k").U32(9).U32(9).U64(1).Data(64).File(), "array of arrays" },
        { "value type", new Writer(3, 0, 1).Text("k").U32(99).Data(64).File(), "type 99" },
        { "twice the key", new Writer(3, 0, 2).Text("k").U32(4).U32(1).Text("k").U32(4).U32(1).Data(64).File(), "twice" },
        { "alignment", new Writer(3, 0, 1).Text("general.alignment").U32(4).U32(24).Data(64).File(), "power of two" },
        { "axes", new Writer().Pairs().Tensor("w", 0, 0, 1, 1, 1, 1, 1).Data(64).File(), "axes" },
        { "no axes", new Writer().Pairs().Tensor("w", 0, 0).Data(64).File(), "axes" },
        { "zero extent", new Writer().Pairs().Tensor("w", 0, 0, 4, 0).Data(64).File(), "extent" },
        { "overflow", new Writer().Pairs().Tensor("w", 0, 0, 1UL << 40, 1UL << 40).Data(64).File(), "extent" },
        { "unknown type", new Writer().Pairs().Tensor("w", 77, 0, 32).Data(64).File(), "type 77" },
        { "half a block", new Writer().Pairs().Tensor("w", 2, 0, 33).Data(64).File(), "multiple of 32" },
        { "crooked offset", new Writer().Pairs().Tensor("w", 0, 5, 8).Data(64).File(), "alignment" },
        { "past the end", new Writer().Pairs().Tensor("w", 0, 0, 64).Data(64).File(), "64 are present" },
        { "offset past the end", new Writer().Pairs().Tensor("w", 0, 1UL << 40, 8).Data(64).File(), "present" },
        { "overlap", new Writer(tensors: 2).Pairs().Tensor("a", 0, 0, 16).Tensor("b", 0, 32, 8).Data(64).File(), "overlap" },
        { "twice the tensor", new Writer(tensors: 2).Pairs().Tensor("a", 0, 0, 8).Tensor("a", 0, 32, 8).Data(64).File(), "twice" },
        { "empty name", new Writer().Pairs().Tensor("", 0, 0, 8).Data(64).File(), "empty" },
    };

    [Theory, MemberData(nameof(Lies))]
    public void A_lie_is_refused_with_what_is_wrong(string kind, byte[] file, string says)
    {
        using CheckpointFolder folder = new();
        CheckpointException exception = Assert.Throws<CheckpointException>(() => Open(folder, file).Dispose());
        Assert.True(exception.Message.Contains(says, StringComparison.Ordinal), $"{kind}: {exception.Message}");
        Assert.DoesNotContain(exception.Message, char.IsControl);
    }

    [Fact]
    public void Any_mutation_opens_within_the_file_or_is_refused()
    {
        const int Seed = 20261124;
        Random random = new(Seed);
        using CheckpointFolder folder = new();
        byte[] original = Good().File();
        int opened = 0, refused = 0;
        for (int round = 0; round < 4000; round++)
        {
            byte[] mutated = random.Next(4) == 0 ? original[..random.Next(original.Length)] : [.. original];
            for (int i = random.Next(1, 4); i > 0 && mutated.Length > 0; i--) mutated[random.Next(mutated.Length)] = (byte)random.Next(256);
            try
            {
                using GgufFile file = Open(folder, mutated);
                foreach (GgufTensor tensor in file.Tensors) file.Bytes(tensor, 0, checked((int)tensor.ByteLength));
                foreach (string key in file.Metadata.Keys) Assert.True(file.Metadata.Has(key));
                opened++;
            }
            catch (CheckpointException)
            {
                refused++;
            }
        }
        Assert.True(opened > 10 && refused > 100, $"seed {Seed}: {opened} opened, {refused} refused");
    }
}
