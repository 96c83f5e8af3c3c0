using Lapidary.Checkpoints;

namespace Lapidary.Tests.Checkpoints;

/// <summary>Files written by the format's own library, through transformers.</summary>
public sealed class GoldenFilesTests
{
    [Fact]
    public void Every_golden_file_opens_and_every_byte_of_it_is_readable()
    {
        string[] files = [.. Goldens().SelectMany(folder => Directory.GetFiles(folder, "*.safetensors"))];
        Assert.NotEmpty(files);
        foreach (string path in files)
        {
            using ICheckpoint checkpoint = Checkpoint.Open(path);
            Assert.NotEmpty(checkpoint.Names);
            long total = 0;
            foreach (string name in checkpoint.Names)
            {
                StoredTensor tensor = Assert.IsType<StoredTensor>(checkpoint.Find(name));
                ReadOnlySpan<byte> bytes = tensor.Bytes(0, checked((int)tensor.ByteLength));
                total += bytes.Length;
                if (bytes.Length > 0) _ = bytes[0] + bytes[^1];
            }
            Assert.InRange(total, new FileInfo(path).Length / 2, new FileInfo(path).Length);
        }
    }

    [Fact]
    public void The_text_model_is_found_in_every_golden_checkpoint_bare_and_wrapped()
    {
        HashSet<string> prefixes = [];
        foreach (string folder in Goldens())
        {
            using ICheckpoint checkpoint = Checkpoint.Open(folder);
            prefixes.Add(WeightNames.TextPrefix(checkpoint));
            Assert.NotNull(checkpoint.Find(WeightNames.Resolve(checkpoint, "layers.0.input_layernorm.weight")));
        }
        Assert.Equal(["model.", "model.language_model."], prefixes.Order(StringComparer.Ordinal));
    }

    private static IEnumerable<string> Goldens()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Lapidary.slnx"))) folder = folder.Parent;
        string goldens = Path.Combine(folder?.FullName ?? ".", "..", "shared", "goldens");
        if (!Directory.Exists(goldens)) Assert.Skip("the golden checkpoints are not beside this repository (../shared/goldens)");
        return Directory.EnumerateDirectories(goldens).Where(one => File.Exists(Path.Combine(one, Checkpoint.SingleFile)));
    }
}
