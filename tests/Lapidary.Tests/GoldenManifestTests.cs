using System.Security.Cryptography;

namespace Lapidary.Tests;

/// <summary>The committed goldens are the bytes that HuggingFace produced, and none is unlisted.</summary>
public sealed class GoldenManifestTests
{
    private static readonly string Folder = Path.Combine(Goldens.Repository, "tests/goldens");

    private static Dictionary<string, string> Manifest() => File.ReadLines(Path.Combine(Folder, "manifest.sha256"))
        .Select(line => line.Split("  ", 2)).ToDictionary(parts => parts[1], parts => parts[0]);

    [Fact]
    public void Every_golden_has_the_listed_hash()
        => Assert.All(Manifest(), entry => Assert.Equal(entry.Value, Hash(File.ReadAllBytes(Path.Combine(Folder, entry.Key)))));

    [Fact]
    public void No_golden_is_unlisted()
        => Assert.Equal(
            Manifest().Keys.Order(StringComparer.Ordinal),
            Directory.GetFiles(Folder, "*", SearchOption.AllDirectories)
                .Select(file => Path.GetRelativePath(Folder, file).Replace('\\', '/'))
                .Where(file => file is not ("README.md" or "manifest.sha256")).Order(StringComparer.Ordinal));

    [Fact]
    public void One_changed_bit_is_noticed()
    {
        (string file, string hash) = Manifest().First();
        byte[] bytes = File.ReadAllBytes(Path.Combine(Folder, file));
        bytes[^1] ^= 1;
        Assert.NotEqual(hash, Hash(bytes));
    }

    private static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
