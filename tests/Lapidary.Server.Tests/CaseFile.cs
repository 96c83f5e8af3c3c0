using System.Text.RegularExpressions;

namespace Lapidary.Server.Tests;

/// <summary>Tables of requests, one a line; lines that begin with # are comments.</summary>
internal static partial class CaseFile
{
    private const string User = """{"role":"user","content":"Tell me a story."}""";
    private const string Tool = """{"type":"function","function":{"name":"f","description":"Does f.","parameters":{"type":"object","properties":{"a":{"type":"string"}}}}}""";

    public static IReadOnlyList<string> Lines(string name)
        => [.. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Cases", name)).Where(line => line.Length > 0 && !line.StartsWith('#'))];

    /// <summary>The line with the bare words U and T written out.</summary>
    public static string Body(string line) => Word().Replace(line, match => match.Value == "U" ? User : Tool);

    [GeneratedRegex(@"(?<=[\[,])[UT](?=[\],])")]
    private static partial Regex Word();

    /// <summary>Status, param and body of each line.</summary>
    public static TheoryData<int, string?, string> Refusals(string name)
    {
        TheoryData<int, string?, string> cases = [];
        foreach (string line in Lines(name))
        {
            string[] words = line.Split(' ', 3);
            cases.Add(int.Parse(words[0], System.Globalization.CultureInfo.InvariantCulture), words[1] == "-" ? null : words[1], words[2]);
        }
        return cases;
    }
}
