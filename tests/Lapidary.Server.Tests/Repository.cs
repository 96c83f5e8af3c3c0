namespace Lapidary.Server.Tests;

internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Lapidary.slnx"))) return folder.FullName;
        throw new InvalidOperationException($"no Lapidary.slnx above {AppContext.BaseDirectory}");
    }
}
