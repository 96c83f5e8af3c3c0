using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Lapidary.Tests.Architecture;

/// <summary>The rules of the source, each a function from files to complaints; an empty answer is good.</summary>
internal static partial class SourceRules
{
    /// <summary>Which projects a project may reference: Engine and the devices meet only in Cli, the composition root.</summary>
    public static readonly IReadOnlyDictionary<string, string[]> Edges = new Dictionary<string, string[]>
    {
        ["Lapidary.Core"] = [],
        ["Lapidary.Cpu"] = ["Lapidary.Core"],
        ["Lapidary.Cuda"] = ["Lapidary.Core"],
        ["Lapidary.Engine"] = ["Lapidary.Core"],
        ["Lapidary.Server"] = ["Lapidary.Engine"],
        ["Lapidary.Extensions.AI"] = ["Lapidary.Engine"],
        ["Lapidary.Cli"] = ["Lapidary.Server", "Lapidary.Engine", "Lapidary.Cpu", "Lapidary.Cuda"],
    };

    /// <summary>Unsafe code lives in kernels, mapped memory and interop only.</summary>
    private static readonly string[] MayBeUnsafe = ["Lapidary.Core", "Lapidary.Cpu", "Lapidary.Cuda"];

    /// <summary>Files that may name an activation, and why.</summary>
    private static readonly IReadOnlyDictionary<string, string> MayNameActivations = new Dictionary<string, string>
    {
        ["src/Lapidary.Core/Activations.cs"] = "the definitions",
        ["src/Lapidary.Engine/Models/Gemma4ConfigReader.cs"] = "the default of HuggingFace's Gemma4TextConfig",
        ["src/Lapidary.Engine/Conformance/ReferenceFormulas.cs"] = "the same functions once more, in float64 and sharing nothing",
        ["src/Lapidary.Engine/Conformance/MoeFault.cs"] = "faults put a wrong activation in on purpose",
        ["src/Lapidary.Engine/Verification/Fault.cs"] = "faults put a wrong activation in on purpose",
    };

    public static IEnumerable<string> ProjectEdges(IEnumerable<SourceFile> projects)
    {
        foreach (SourceFile project in projects)
        {
            string name = project.Name[..^".csproj".Length];
            if (!Edges.TryGetValue(name, out string[]? allowed))
            {
                yield return $"{project.Path}: unknown project; add it to the edges";
                continue;
            }
            XDocument xml = XDocument.Parse(project.Text);
            foreach (string target in xml.Descendants("ProjectReference").Select(r => Path.GetFileNameWithoutExtension(r.Attribute("Include")!.Value.Replace('\\', '/'))))
                if (!allowed.Contains(target)) yield return $"{project.Path} references {target}";
            if (xml.Descendants("AllowUnsafeBlocks").Any(e => e.Value == "true") && !MayBeUnsafe.Contains(name))
                yield return $"{project.Path} allows unsafe blocks";
        }
    }

    public static IEnumerable<string> FileLengths(IReadOnlyCollection<SourceFile> files)
    {
        foreach (SourceFile file in files)
            if (file.Lines.Length > 600) yield return $"{file.Path} has {file.Lines.Length} lines";
        int median = files.Select(f => f.Lines.Length).Order().ElementAt(files.Count / 2);
        if (median > 150) yield return $"the median file has {median} lines";
    }

    public static IEnumerable<string> VagueNames(IEnumerable<SourceFile> files)
        => from file in files
           from Match match in VagueType().Matches(file.Text)
           select $"{file.Path}: {match.Value}";

    public static IEnumerable<string> ActivationNames(IEnumerable<SourceFile> files, IEnumerable<string> names)
    {
        string[] quoted = [.. names.Select(name => $"\"{name}\"")];
        return from file in files
               where !MayNameActivations.ContainsKey(file.Path)
               from line in file.Lines
               where !line.TrimStart().StartsWith("//", StringComparison.Ordinal)
               from name in quoted
               where line.Contains(name, StringComparison.Ordinal)
               select $"{file.Path} names {name}";
    }

    public static IEnumerable<string> BrokenLinks(IEnumerable<SourceFile> pages, Func<string, bool> exists)
        => from page in pages
           from Match match in Link().Matches(page.Text)
           let target = match.Groups[1].Value
           where !target.Contains("://", StringComparison.Ordinal) && !target.StartsWith('#')
           let folder = page.Path.Contains('/') ? page.Path[..page.Path.LastIndexOf('/')] : ""
           let path = Path.GetFullPath(Path.Combine("/", folder, target.Split('#')[0]))[1..]
           where !exists(path)
           select $"{page.Path} links to {target}";

    /// <summary>Paths that pages write as code, `src/…` and the like, exist; so docs follow the tree.</summary>
    public static IEnumerable<string> StalePaths(IEnumerable<SourceFile> pages, Func<string, bool> exists)
        => from page in pages
           from Match match in CodePath().Matches(page.Text)
           let path = match.Groups[1].Value.TrimEnd('/')
           where !exists(path)
           select $"{page.Path} names {path}";

    [GeneratedRegex(@"\b(?:class|struct|interface|record|enum) \w*(?:Manager|Helpers?|Utils?|Utilities)\b")]
    private static partial Regex VagueType();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"`((?:src|tests|docs|tools|models|benchmarks)/[\w./-]+)`")]
    private static partial Regex CodePath();
}
