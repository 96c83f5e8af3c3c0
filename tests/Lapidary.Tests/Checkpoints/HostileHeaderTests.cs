using System.Runtime.InteropServices;
using System.Text;
using Lapidary.Checkpoints;

namespace Lapidary.Tests.Checkpoints;

/// <summary>Files made to cost memory or time, or to reach outside the file.</summary>
public sealed partial class HostileHeaderTests
{
    private const int Megabytes = 4;

    public static TheoryData<string> Hostile => ["tensors", "dimensions", "nesting", "name", "escapes", "metadata", "claim"];

    [Theory, MemberData(nameof(Hostile))]
    public void Memory_stays_within_a_small_multiple_of_the_file(string kind)
    {
        using CheckpointFolder folder = new();
        byte[] bytes = HostileFile(kind);
        string path = folder.Write("model.safetensors", bytes);
        Open(path);   // once before, for what the first call of any code costs
        long before = GC.GetAllocatedBytesForCurrentThread();
        bool opened = Open(path);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.InRange(allocated, 0, 8L * bytes.Length + 64 * 1024);
        Assert.Equal(kind == "tensors", opened);
        if (opened) Assert.True(allocated > bytes.Length, "the tensors were not counted");   // the measurement measures
    }

    [Fact]
    public void Any_mutation_of_a_header_opens_within_the_file_or_is_refused()
    {
        const int Seed = 20240607;
        Random random = new(Seed);
        using CheckpointFolder folder = new();
        byte[] original = Original(folder);
        int opened = 0, refused = 0;
        for (int round = 0; round < 4_000; round++)
        {
            byte[] mutated = Mutate(original, random);
            string path = folder.Write("mutated.safetensors", mutated);
            try
            {
                using SafetensorsFile file = SafetensorsFile.Open(path);
                AssertWithin(file, mutated);
                opened++;
            }
            catch (CheckpointException exception)
            {
                Assert.DoesNotContain(exception.Message, char.IsControl);
                refused++;
            }
        }
        Assert.True(opened > 10 && refused > 100, $"seed {Seed}: {opened} opened, {refused} refused: the mutations test nothing");
    }

    [Fact]
    public void A_pipe_or_device_is_refused_without_waiting()
    {
        if (OperatingSystem.IsWindows()) Assert.Skip("pipes in the file system are a Unix matter");
        using CheckpointFolder folder = new();
        Assert.Equal(0, MakePipe(folder[Checkpoint.SingleFile], Convert.ToUInt32("600", 8)));
        Assert.Throws<CheckpointException>(() => Checkpoint.Open(folder.Path));
        Assert.Throws<CheckpointException>(() => Checkpoint.Open("/dev/zero"));
    }

    [LibraryImport("libc", EntryPoint = "mkfifo", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakePipe(string path, uint mode);

    private static bool Open(string path)
    {
        try
        {
            SafetensorsFile.Open(path).Dispose();
            return true;
        }
        catch (CheckpointException)
        {
            return false;
        }
    }

    private static byte[] HostileFile(string kind)
    {
        const int Size = Megabytes << 20;
        StringBuilder header = new("{");
        switch (kind)
        {
            case "tensors":
                for (int i = 0; header.Length < Size; i++) header.Append($$"""{{(i == 0 ? "" : ",")}}"{{i:x}}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}""");
                return CheckpointFolder.Raw(header.Append('}').ToString());
            case "metadata":
                header.Append("\"__metadata__\":{");
                for (int i = 0; header.Length < Size; i++) header.Append($$"""{{(i == 0 ? "" : ",")}}"{{i:x}}":"x" """);
                return CheckpointFolder.Raw(header.Append("}}").ToString());
            case "dimensions": return CheckpointFolder.Raw("""{"a":{"shape":[""" + string.Join(',', Enumerable.Repeat(1, Size / 2)) + "]}}");
            case "nesting": return CheckpointFolder.Raw("""{"a":{"shape":""" + new string('[', Size));
            case "name": return CheckpointFolder.Raw("{\"" + new string('x', Size) + "\":1}");
            case "escapes": return CheckpointFolder.Raw("{\"" + string.Concat(Enumerable.Repeat("\\u0001", Size / 6)) + "\":1}");
            default: return [0, 0xE1, 0xF5, 5, 0, 0, 0, 0, (byte)'{'];   // claims the largest header allowed
        }
    }

    private static byte[] Original(CheckpointFolder folder)
    {
        byte[] data = [.. Enumerable.Range(0, 96).Select(i => (byte)i)];
        SafetensorsWriter.WriteFile(folder["original"], [
            TensorToWrite.From("model.embed_tokens.weight", DType.F32, [2, 3], data.AsMemory(0, 24)),
            TensorToWrite.From("b", DType.BF16, [4], data.AsMemory(0, 8)),
            TensorToWrite.From("empty", DType.I64, [0, 7], ReadOnlyMemory<byte>.Empty),
            TensorToWrite.From("scalar", DType.U8, [], data.AsMemory(0, 1))], new Dictionary<string, string> { ["format"] = "pt" });
        return File.ReadAllBytes(folder["original"]);
    }

    private static byte[] Mutate(byte[] original, Random random)
    {
        int length = BitConverter.ToInt32(original);
        List<byte> header = [.. original.AsSpan(8, length)], data = [.. original.AsSpan(8 + length)];
        for (int changes = random.Next(0, 4); changes > 0 && header.Count > 2; changes--)
        {
            int at = random.Next(header.Count);
            switch (random.Next(7))
            {
                case 0: header[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: header[at] = (byte)random.Next(256); break;
                case 2: header[at] = (byte)"{}[]\",:0123456789\\u"[random.Next(19)]; break;
                case 3: header.RemoveRange(at, Math.Min(random.Next(1, 9), header.Count - at)); break;
                case 4: header.InsertRange(at, header.GetRange(random.Next(header.Count / 2), random.Next(1, header.Count / 2))); break;
                case 5: ReplaceNumber(header, at, random); break;
                default: header.RemoveRange(at, header.Count - at); break;
            }
        }
        if (random.Next(4) == 0) data.RemoveRange(0, random.Next(1, data.Count));
        byte[] file = CheckpointFolder.Raw(CollectionsMarshal.AsSpan(header));
        if (random.Next(4) == 0) file[random.Next(8)] ^= (byte)(1 << random.Next(8));
        return [.. file, .. data];
    }

    private static void ReplaceNumber(List<byte> bytes, int from, Random random)
    {
        string[] numbers = ["0", "1", "-1", "2", "7", "8", "24", "33", "1.5", "1e3", "2147483648", "9223372036854775807", "9223372036854775808", "18446744073709551616", "00", "[1]", "null"];
        int begin = bytes.FindIndex(from, one => char.IsAsciiDigit((char)one));
        if (begin < 0) return;
        int end = bytes.FindIndex(begin, one => !char.IsAsciiDigit((char)one));
        if (end < 0) return;
        bytes.RemoveRange(begin, end - begin);
        bytes.InsertRange(begin, Encoding.ASCII.GetBytes(numbers[random.Next(numbers.Length)]));
    }

    private static void AssertWithin(SafetensorsFile file, byte[] bytes)
    {
        int data = 8 + (int)BitConverter.ToInt64(bytes);
        StoredTensor[] tensors = [.. file.Names.Select(name => file.Find(name)!).OrderBy(tensor => tensor.Address).ThenBy(tensor => tensor.ByteLength)];
        foreach (StoredTensor tensor in tensors)
        {
            int length = checked((int)tensor.ByteLength);
            Assert.Equal(bytes.AsSpan(data, length), tensor.Bytes(0, length));
            data += length;
        }
        Assert.Equal(bytes.Length, data);
    }
}
