namespace Lapidary.Tests.Architecture;

/// <summary>A file of the repository: its path from the root with forward slashes, and its text.</summary>
internal sealed record SourceFile(string Path, string Text)
{
    public string Name => Path[(Path.LastIndexOf('/') + 1)..];

    public string[] Lines => Text.TrimEnd('\n').Split('\n');
}

internal static class SourceTree
{
    private static readonly string[] Generated = ["bin", "obj", "artifacts", "node_modules", ".git"];

    public static IReadOnlyList<SourceFile> Files(string extension, params string[] folders)
        => [.. folders.SelectMany(folder => Walk(new DirectoryInfo(System.IO.Path.Combine(Goldens.Repository, folder))))
            .Where(file => file.Name.EndsWith(extension, StringComparison.Ordinal))
            .Select(file => new SourceFile(
                System.IO.Path.GetRelativePath(Goldens.Repository, file.FullName).Replace('\\', '/'), File.ReadAllText(file.FullName)))
            .OrderBy(file => file.Path, StringComparer.Ordinal)];

    private static IEnumerable<FileInfo> Walk(DirectoryInfo folder)
    {
        if (!folder.Exists || Generated.Contains(folder.Name)) return [];
        return folder.GetFiles().Concat(folder.GetDirectories().SelectMany(Walk));
    }
}
