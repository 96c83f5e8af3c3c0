using System.Text;
using Lapidary.Checkpoints;

namespace Lapidary.Tests.Checkpoints;

/// <summary>Every refusal of a single file, with its whole message.</summary>
public sealed class MalformedFileTests
{
    private const string KnownDTypes = "known: F32, F16, BF16, I32, I64, U8, F64, I8, I16, U16, U32, U64, BOOL, F8_E4M3, F8_E5M2, F8_E8M0";

    /// <summary>Name of the case, the file's bytes, the message after the file's path.</summary>
    public static TheoryData<string, byte[], string> Cells()
    {
        TheoryData<string, byte[], string> cells = [];
        AddPrefixes(cells);
        AddJson(cells);
        AddEntries(cells);
        AddSizes(cells);
        AddLayouts(cells);
        return cells;
    }

    [Theory, MemberData(nameof(Cells))]
    public void Malformed_file_is_refused_with_one_exact_line(string name, byte[] bytes, string message)
    {
        using CheckpointFolder folder = new();
        string path = folder.Write("model.safetensors", bytes);
        var exception = Assert.Throws<CheckpointException>(() => Checkpoint.Open(path));
        Assert.Equal($"{path}: {message}", exception.Message);
        Assert.False(exception.Message.Any(char.IsControl), name);
    }

    [Fact]
    public void The_file_all_cases_are_spoiled_from_is_accepted()
    {
        using CheckpointFolder folder = new();
        byte[] bytes = CheckpointFolder.Raw("""{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}   """, 8);
        using ICheckpoint checkpoint = Checkpoint.Open(folder.Write("model.safetensors", bytes));
        Assert.Equal(["a"], checkpoint.Names);
        Assert.Equal("pt", Assert.IsType<SafetensorsFile>(checkpoint).Metadata["format"]);
    }

    private static void AddPrefixes(TheoryData<string, byte[], string> cells)
    {
        cells.Add("empty", [], "the file is empty; download it again");
        cells.Add("short", [1, 2, 3], "the file has 3 bytes, a safetensors file at least 8; the download may be incomplete");
        cells.Add("header cut", [.. CheckpointFolder.Raw("{}        ")[..12]], "the header has 10 bytes of which 4 are present: 6 bytes are missing; the download may be incomplete");
        cells.Add("header over limit", [1, 0xE1, 0xF5, 5, 0, 0, 0, 0], "the header length is 100000001 bytes, the limit is 100000000; the file is damaged or not safetensors");
        cells.Add("header at limit, absent", [0, 0xE1, 0xF5, 5, 0, 0, 0, 0], "the header has 100000000 bytes of which 0 are present: 100000000 bytes are missing; the download may be incomplete");
        cells.Add("header length all ones", [.. Enumerable.Repeat((byte)0xFF, 20)], "the header length is 18446744073709551615 bytes, the limit is 100000000; the file is damaged or not safetensors");
        cells.Add("git lfs", Encoding.UTF8.GetBytes("version https://git-lfs.github.com/spec/v1\n"), "this is a Git LFS pointer, not the weights; run `git lfs pull` in its folder");
        cells.Add("gguf", Encoding.UTF8.GetBytes("GGUF\u0003\0\0\0"), "this is a GGUF file, expected safetensors");
        cells.Add("pytorch", Encoding.UTF8.GetBytes("PK\u0003\u0004archive"), "this is a PyTorch or zip archive, expected safetensors; convert it first");
        cells.Add("web page", Encoding.UTF8.GetBytes("<!DOCTYPE html>"), "this is a web page, not the weights; download the file again");
        cells.Add("no header", CheckpointFolder.Raw(""), "the header does not start with '{'; the file is damaged or not safetensors");
    }

    private static void AddJson(TheoryData<string, byte[], string> cells)
    {
        void Add(string name, string header, string message) => cells.Add(name, CheckpointFolder.Raw(header), message);
        Add("array", "[]", "the header does not start with '{'; the file is damaged or not safetensors");
        Add("leading space", " {}", "the header does not start with '{'; the file is damaged or not safetensors");
        cells.Add("not UTF-8", CheckpointFolder.Raw([(byte)'{', (byte)'"', 0xC3, (byte)'"']), "the header is not UTF-8; the file is damaged");
        Add("unclosed", "{", "the header is not valid JSON after byte 1; the file is damaged");
        Add("trailing text", "{} x", "the header is not valid JSON after byte 3; the file is damaged");
        Add("trailing zero", "{}\0", "the header is not valid JSON after byte 2; the file is damaged");
        Add("comma", """{"a":1,}""", """tensor "a": the entry is 1, expected an object with dtype, shape and data_offsets""");
        Add("half surrogate", """{"\ud800":1}""", "a string near byte 1 of the header escapes half a surrogate pair; the file is damaged");
        Add("deep entry", """{"a":""" + new string('[', 1000) + "}", """tensor "a": the entry is an array, expected an object with dtype, shape and data_offsets""");
        Add("deep shape", """{"a":{"shape":""" + new string('[', 1000) + "}", "the header is not valid JSON after byte 15; the file is damaged");
        Add("metadata number", """{"__metadata__":{"a":1}}""", """__metadata__ entry "a" is 1, expected a string""");
        Add("metadata object", """{"__metadata__":{"a":{"b":"c"}}}""", """__metadata__ entry "a" is an object, expected a string""");
        Add("metadata array", """{"__metadata__":[]}""", "__metadata__ is an array, expected an object of strings");
        Add("metadata key twice", """{"__metadata__":{"a":"1","a":"2"}}""", """__metadata__ entry "a" appears twice""");
        Add("metadata crowd", "{\"__metadata__\":{" + string.Join(',', Enumerable.Range(0, 10_001).Select(i => $"\"{i}\":\"\"")) + "}}", "__metadata__ has more than 10000 entries");
        Add("metadata twice", """{"__metadata__":{},"__metadata__":{}}""", "__metadata__ appears twice in the header");
        Add("name twice", """{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}""", """tensor "a" appears twice in the header""");
    }

    private static void AddEntries(TheoryData<string, byte[], string> cells)
    {
        void Add(string name, string entry, string message) => cells.Add(name, CheckpointFolder.Raw("{\"a\":{" + entry + "}}"), $"tensor \"a\": {message}");
        Add("no dtype", """ "shape":[],"data_offsets":[0,4] """, "dtype is missing");
        Add("no shape", """ "dtype":"F32","data_offsets":[0,4] """, "shape is missing");
        Add("no offsets", """ "dtype":"F32","shape":[] """, "data_offsets is missing");
        Add("unknown key", """ "dtype":"F32","stride":[1] """, "key \"stride\" is repeated or unknown; expected dtype, shape and data_offsets once each");
        Add("key twice", """ "dtype":"F32","dtype":"F16" """, "key \"dtype\" is repeated or unknown; expected dtype, shape and data_offsets once each");
        Add("unknown dtype", """ "dtype":"F4" """, $"dtype \"F4\" is not supported; {KnownDTypes}");
        Add("dtype case", """ "dtype":"bf16" """, $"dtype \"bf16\" is not supported; {KnownDTypes}");
        Add("dtype number", """ "dtype":0 """, "dtype is 0, expected a string");
        Add("shape null", """ "shape":null """, "shape is null, expected an array of integers");
        Add("shape negative", """ "shape":[4,-1] """, "shape holds -1, expected an integer from 0 to 2^63-1");
        Add("shape fraction", """ "shape":[1.0] """, "shape holds 1.0, expected an integer from 0 to 2^63-1");
        Add("shape exponent", """ "shape":[1e3] """, "shape holds 1e3, expected an integer from 0 to 2^63-1");
        Add("shape 2^63", """ "shape":[9223372036854775808] """, "shape holds 9223372036854775808, expected an integer from 0 to 2^63-1");
        Add("shape string", """ "shape":["4"] """, "shape holds a string, expected an integer from 0 to 2^63-1");
        Add("nine dimensions", """ "shape":[1,1,1,1,1,1,1,1,1] """, "shape has more than 8 numbers");
        Add("one offset", """ "dtype":"U8","shape":[0],"data_offsets":[0] """, "data_offsets holds 1 of 2 numbers (begin, end)");
        Add("three offsets", """ "data_offsets":[0,0,0] """, "data_offsets has more than 2 numbers");
    }

    private static void AddSizes(TheoryData<string, byte[], string> cells)
    {
        void Add(string name, string dtype, string shape, string offsets, string message) => cells.Add(name,
            CheckpointFolder.Raw($$$"""{"a":{"dtype":"{{{dtype}}}","shape":[{{{shape}}}],"data_offsets":[{{{offsets}}}]}}""", 8), $"tensor \"a\": {message}");
        Add("backwards", "U8", "8", "8,0", "data_offsets [8, 0] end before they begin");
        Add("shape overflows", "U8", "4294967296,4294967296", "0,8", "shape [4294967296, 4294967296] of U8 overflows 64 bits");
        Add("bytes overflow", "F64", "4611686018427387904", "0,8", "shape [4611686018427387904] of F64 overflows 64 bits");
        Add("overflow before zero", "U8", "4611686018427387904,4611686018427387904,0", "0,0", "shape [4611686018427387904, 4611686018427387904, 0] of U8 overflows 64 bits");
        Add("too small", "F32", "3", "0,8", "shape [3] of F32 needs 12 bytes, data_offsets [0, 8] hold 8");
        Add("too large", "BF16", "3", "0,8", "shape [3] of BF16 needs 6 bytes, data_offsets [0, 8] hold 8");
        Add("zero with bytes", "U8", "0", "0,8", "shape [0] of U8 needs 0 bytes, data_offsets [0, 8] hold 8");
    }

    private static void AddLayouts(TheoryData<string, byte[], string> cells)
    {
        static string U8(string name, long begin, long end) => $$"""{{name}}:{"dtype":"U8","shape":[{{end - begin}}],"data_offsets":[{{begin}},{{end}}]}""";
        static byte[] Two(string first, string second) => CheckpointFolder.Raw($$"""{{{first}},{{second}}}""", 8);
        cells.Add("data cut", Two(U8("\"a\"", 0, 4), U8("\"b\"", 4, 11)), """tensor "b" ends at byte 11 of the data, which has 8: 3 bytes are missing; the download may be incomplete""");
        cells.Add("far outside", Two(U8("\"a\"", 0, 8), U8("\"b\"", 9223372036854775807, 9223372036854775807)),
            """tensor "b" ends at byte 9223372036854775807 of the data, which has 8: 9223372036854775799 bytes are missing; the download may be incomplete""");
        cells.Add("overlap", Two(U8("\"a\"", 0, 5), U8("\"b\"", 4, 8)), """tensors "a" and "b" overlap at byte 4 of the data""");
        cells.Add("same bytes", Two(U8("\"a\"", 0, 8), U8("\"b\"", 0, 8)), """tensors "a" and "b" overlap at byte 0 of the data""");
        cells.Add("empty inside another", Two(U8("\"a\"", 0, 8), U8("\"b\"", 4, 4)), """tensors "a" and "b" overlap at byte 4 of the data""");
        cells.Add("hole", Two(U8("\"a\"", 0, 3), U8("\"b\"", 4, 8)), """bytes 3 to 4 of the data, before tensor "b", belong to no tensor""");
        cells.Add("hole at start", Two(U8("\"a\"", 1, 4), U8("\"b\"", 4, 8)), """bytes 0 to 1 of the data, before tensor "a", belong to no tensor""");
        cells.Add("rest", Two(U8("\"a\"", 0, 3), U8("\"b\"", 3, 6)), "the last 2 bytes of the file belong to no tensor");
        cells.Add("only rest", CheckpointFolder.Raw("{}", 8), "the last 8 bytes of the file belong to no tensor");
        cells.Add("control characters", Two(U8("\"a\"", 0, 5), U8(@"""\n\u001b[2J\u202ex\""""", 4, 8)), """tensors "a" and "\u000a\u001b[2J\u202ex\"" overlap at byte 4 of the data""");
        cells.Add("long name", Two(U8("\"a\"", 0, 5), U8($"\"{new string('x', 5000)}\"", 4, 8)), $"tensors \"a\" and \"{new string('x', 120)}…\" (5000 characters) overlap at byte 4 of the data");
    }
}
