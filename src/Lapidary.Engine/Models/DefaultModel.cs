namespace Lapidary.Models;

/// <summary>The small trained model that comes with the repository and the packages.</summary>
public static class DefaultModel
{
    private const string Folder = "models/gemma4-tiny";

    /// <summary>Its folder: LAPIDARY_MODEL when set, else models/gemma4-tiny beside the program or above it.</summary>
    /// <exception cref="ConfigException">It is in none of these places.</exception>
    public static string Locate() => Environment.GetEnvironmentVariable("LAPIDARY_MODEL") is { Length: > 0 } chosen ? chosen : Embedded();

    /// <summary>Its folder: models/gemma4-tiny beside the program or above it.</summary>
    /// <exception cref="ConfigException">It is not there.</exception>
    public static string Embedded()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string candidate = Path.Combine(folder.FullName, Folder);
            if (File.Exists(Path.Combine(candidate, "config.json"))) return candidate;
        }
        throw new ConfigException(
            $"the embedded model {Folder} was not found above {AppContext.BaseDirectory}; name a model with --model DIR or LAPIDARY_MODEL");
    }
}
