using Lapidary.Checkpoints;

namespace Lapidary.Tests.Checkpoints;

/// <summary>Files written by the format's own library, through transformers.</summary>
public sealed class GoldenFilesTests
{
    [Fact]
    public void Every_golden_file_opens_and_every_byte_of_it_is_readable()
    {
        string[] files = Directory.GetFiles(Goldens.Folder, "*.safetensors", SearchOption.AllDirectories);
        Assert.True(files.Length > Goldens.Cases.Count, $"{files.Length} files"); // weights and outputs of every case, and the activations
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
        // The committed part of the goldens has only bare ones.
        using WrappedCheckpoint wrapped = new("dense_min");
        HashSet<string> prefixes = [];
        foreach (string folder in Goldens.Cases.Select(Goldens.Case).Append(wrapped.Path))
        {
            using ICheckpoint checkpoint = Checkpoint.Open(folder);
            prefixes.Add(WeightNames.TextPrefix(checkpoint));
            Assert.NotNull(checkpoint.Find(WeightNames.Resolve(checkpoint, "layers.0.input_layernorm.weight")));
        }
        Assert.Equal(["model.", WrappedCheckpoint.Prefix], prefixes.Order(StringComparer.Ordinal));
    }
}
