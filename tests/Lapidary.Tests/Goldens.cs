namespace Lapidary.Tests;

/// <summary>Where the golden folders lie: the full set beside the checkout when it is there, else the committed part.</summary>
internal static class Goldens
{
    public static string Repository { get; } = FindRepository();

    public static string Folder { get; } = Directory.Exists(Path.Combine(Repository, "../shared/goldens"))
        ? Path.GetFullPath(Path.Combine(Repository, "../shared/goldens"))
        : Path.Combine(Repository, "tests/goldens");

    private static string Committed { get; } = Path.Combine(Repository, "tests/goldens");

    /// <summary>Names of the golden folders that hold a model; some are only among the committed ones.</summary>
    public static IReadOnlyList<string> Cases { get; } =
        [.. Directory.GetDirectories(Folder).Concat(Directory.GetDirectories(Committed)).Where(d => File.Exists(Path.Combine(d, "golden.safetensors")))
            .Select(d => Path.GetFileName(d)!).Distinct().Order(StringComparer.Ordinal)];

    public static string Case(string name) => Directory.Exists(Path.Combine(Folder, name)) ? Path.Combine(Folder, name) : Path.Combine(Committed, name);

    public static string TinyModel { get; } = Path.Combine(Repository, "models/gemma4-tiny");

    private static string FindRepository()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Lapidary.slnx"))) return folder.FullName;
        throw new InvalidOperationException($"no Lapidary.slnx above {AppContext.BaseDirectory}");
    }
}
