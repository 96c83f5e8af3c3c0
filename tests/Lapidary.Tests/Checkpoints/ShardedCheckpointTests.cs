using Lapidary.Checkpoints;

namespace Lapidary.Tests.Checkpoints;

public sealed class ShardedCheckpointTests
{
    private const string First = "model-00001-of-00002.safetensors", Second = "model-00002-of-00002.safetensors";

    [Fact]
    public void Tensors_come_from_their_shards()
    {
        using CheckpointFolder folder = new();
        folder.WriteTensors(First, "a", "b");
        folder.WriteTensors(Second, "c");
        Index(folder, ("a", First), ("c", Second), ("b", First));
        using ICheckpoint checkpoint = Checkpoint.Open(folder.Path);
        Assert.Equal(["a", "b", "c"], checkpoint.Names.Order(StringComparer.Ordinal));
        Assert.Equal("c", checkpoint.Find("c")!.Name);
        Assert.Null(checkpoint.Find("d"));
        Assert.Equal(folder[Second], checkpoint.LocationOf("c"));
        Assert.Equal(folder[Checkpoint.IndexFile], checkpoint.Location);
        Assert.Equal(folder[Checkpoint.IndexFile], checkpoint.LocationOf("d"));
    }

    [Fact]
    public void A_single_file_wins_over_an_index_as_in_transformers()
    {
        using CheckpointFolder folder = new();
        folder.WriteTensors(Checkpoint.SingleFile, "single");
        folder.WriteTensors(First, "sharded");
        Index(folder, ("sharded", First));
        using ICheckpoint checkpoint = Checkpoint.Open(folder.Path);
        Assert.Equal(["single"], checkpoint.Names);
        using ICheckpoint byIndex = Checkpoint.Open(folder[Checkpoint.IndexFile]);
        Assert.Equal(["sharded"], byIndex.Names);
    }

    [Fact]
    public void Missing_shards_are_counted_and_named()
    {
        using CheckpointFolder folder = new();
        folder.WriteTensors("x1.safetensors", "a");
        folder.WriteTensors("x3.safetensors", "c");
        Index(folder, ("a", "x1.safetensors"), ("b", "x2.safetensors"), ("c", "x3.safetensors"));
        Refused(folder, """2 of 3 shards present, missing "x2.safetensors"; download the rest""");
    }

    [Fact]
    public void Index_and_shards_must_list_the_same_tensors()
    {
        using CheckpointFolder folder = new();
        folder.WriteTensors(First, "a", "b");
        folder.WriteTensors(Second, "c");
        Index(folder, ("a", First), ("b", First), ("c", Second), ("d", Second));
        Refused(folder, $"weight_map puts tensor \"d\" in {Second}, which does not hold it; index and shards are of different versions");
        Index(folder, ("a", First), ("c", Second));
        Refused(folder, $"tensor \"b\" is in {First} but not in weight_map; index and shards are of different versions");
        Index(folder, ("a", First), ("b", Second), ("c", Second));
        Refused(folder, $"weight_map puts tensor \"b\" in {Second}, it is in {First}; index and shards are of different versions");
    }

    [Fact]
    public void A_tensor_in_two_shards_is_refused()
    {
        using CheckpointFolder folder = new();
        folder.WriteTensors(First, "a");
        folder.WriteTensors(Second, "a", "b");
        Index(folder, ("a", First), ("b", Second));
        Refused(folder, $"tensor \"a\" is in two shards, {First} and {Second}");
    }

    [Fact]
    public void A_damaged_shard_is_named()
    {
        using CheckpointFolder folder = new();
        folder.Write(First, [1, 2, 3]);
        Index(folder, ("a", First));
        var exception = Assert.Throws<CheckpointException>(() => Checkpoint.Open(folder.Path));
        Assert.Equal($"{folder[First]}: the file has 3 bytes, a safetensors file at least 8; the download may be incomplete", exception.Message);
    }

    [Theory]
    [InlineData("../x.safetensors")]
    [InlineData("sub/x.safetensors")]
    [InlineData("/etc/x.safetensors")]
    [InlineData(@"..\\x.safetensors")]
    [InlineData(@"C:x.safetensors")]
    [InlineData(@"x\u0000.safetensors")]
    public void An_index_cannot_name_a_file_elsewhere(string shard)
    {
        using CheckpointFolder folder = new();
        folder.Write(Checkpoint.IndexFile, $$$"""{"weight_map":{"a":"{{{shard}}}"}}""");
        var exception = Assert.Throws<CheckpointException>(() => Checkpoint.Open(folder.Path));
        Assert.EndsWith($"weight_map names the file \"{shard}\"; only plain file names beside the index are allowed", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "the file is empty; download it again")]
    [InlineData("[]", "the index is not a JSON object")]
    [InlineData("{", "the index is not valid JSON after byte 1; download it again")]
    [InlineData("{} {}", "the index is not valid JSON after byte 3; download it again")]
    [InlineData("{}", "weight_map is missing or empty")]
    [InlineData("""{"weight_map":{}}""", "weight_map is missing or empty")]
    [InlineData("""{"weight_map":[]}""", "weight_map is not an object")]
    [InlineData("""{"weight_map":{"a":1}}""", "weight_map entry \"a\" is not a file name")]
    [InlineData("""{"weight_map":{"a":null}}""", "weight_map entry \"a\" is not a file name")]
    [InlineData("""{"weight_map":{"a":{"b":[]}}}""", "weight_map entry \"a\" is not a file name")]
    [InlineData("""{"weight_map":{"a":"x.safetensors"},"weight_map":{}}""", "weight_map appears twice")]
    [InlineData("""{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}""", "tensor \"a\" appears twice in weight_map")]
    [InlineData("""{"weight_map":{"a":"x.bin"}}""", "weight_map names the file \"x.bin\", expected a .safetensors file")]
    [InlineData("""{"weight_map":{"\udc00":"x.safetensors"}}""", "a string near byte 15 escapes half a surrogate pair")]
    public void A_malformed_index_is_refused(string index, string message)
    {
        using CheckpointFolder folder = new();
        folder.Write(Checkpoint.IndexFile, index);
        Refused(folder, message);
    }

    [Fact]
    public void A_deeply_nested_or_wrongly_encoded_index_is_refused()
    {
        using CheckpointFolder folder = new();
        folder.Write(Checkpoint.IndexFile, """{"metadata":""" + new string('[', 100_000));
        Assert.Contains("the index is not valid JSON", Refusal(folder.Path), StringComparison.Ordinal);
        folder.Write(Checkpoint.IndexFile, [(byte)'{', 0xFF, (byte)'}']);
        Refused(folder, "the index is not UTF-8");
    }

    [Fact]
    public void A_folder_without_a_checkpoint_says_what_was_looked_for_and_what_is_there()
    {
        using CheckpointFolder folder = new();
        string looked = $"{folder.Path}: found neither model.safetensors nor model.safetensors.index.json; ";
        Assert.Equal(looked + "the folder is empty", Refusal(folder.Path));
        folder.Write("config.json", "{}");
        Assert.Equal(looked + "found \"config.json\"", Refusal(folder.Path));
        folder.Write("pytorch_model.bin", "");
        Assert.Equal(looked + "found \"config.json\", \"pytorch_model.bin\": only PyTorch files, convert them to safetensors", Refusal(folder.Path));
        folder.Write("m.gguf", "");
        Assert.Equal(looked + "found \"config.json\", \"m.gguf\", \"pytorch_model.bin\": only GGUF, download the safetensors checkpoint", Refusal(folder.Path));
        folder.WriteTensors(First, "a");
        Assert.EndsWith(": name one .safetensors file, or download the index of the shards", Refusal(folder.Path), StringComparison.Ordinal);
    }

    [Fact]
    public void A_path_that_is_not_there_is_refused()
    {
        using CheckpointFolder folder = new();
        Assert.Equal($"{folder["none"]}: there is no such file", Refusal(folder["none"]));
        Assert.Equal($"{folder["none/model.safetensors"]}: there is no such file", Refusal(folder["none/model.safetensors"]));
        Assert.Contains("cannot be opened", Refusal(""), StringComparison.Ordinal);
        Assert.Contains("cannot be opened", Refusal("a\0b"), StringComparison.Ordinal);
    }

    private static void Index(CheckpointFolder folder, params (string Tensor, string File)[] map) => folder.Write(Checkpoint.IndexFile,
        $$$"""{"metadata":{"total_size":3,"x":[{}]},"weight_map":{{{{string.Join(",", map.Select(entry => $"\"{entry.Tensor}\":\"{entry.File}\""))}}}}}""");

    private static void Refused(CheckpointFolder folder, string message) =>
        Assert.Equal($"{folder[Checkpoint.IndexFile]}: {message}", Refusal(folder.Path));

    private static string Refusal(string path) => Assert.Throws<CheckpointException>(() => Checkpoint.Open(path)).Message;
}
