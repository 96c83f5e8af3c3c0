using System.Reflection;
using System.Text.RegularExpressions;
using Lapidary.Cpu;
using Lapidary.Models;

namespace Lapidary.Tests.Architecture;

/// <summary>A row of docs/vllm-map.md: a name of vLLM's, the symbols that stand for it here, and their files.</summary>
internal sealed record MapRow(string Vllm, IReadOnlyList<string> Symbols, IReadOnlyList<string> Files);

/// <summary>Reads docs/vllm-map.md and looks up what it names.</summary>
internal static partial class VllmMap
{
    private const BindingFlags Anything = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance;

    private static readonly Type[] Types = [.. new[] { typeof(IKernels), typeof(CpuKernels), typeof(Gemma4), typeof(Lapidary.Cli.CliJson) }.SelectMany(t => t.Assembly.GetTypes())];

    public static IReadOnlyList<MapRow> Rows(string page)
        => [.. page.Split('\n').Where(line => line.StartsWith("| ", StringComparison.Ordinal) && !line.StartsWith("| vLLM |", StringComparison.Ordinal))
            .Select(line => line.Trim('|', ' ').Split('|')).Select(cells => new MapRow(cells[0].Trim(), Code(cells[1], Symbol()), Code(cells.ElementAtOrDefault(2) ?? "", AnyCode())))];

    /// <summary>What is wrong with a row: symbols that do not exist, or are not declared in the files beside them.</summary>
    public static IEnumerable<string> Complaints(MapRow row, Func<string, string?> read)
    {
        string[] texts = [.. row.Files.Select(file => read(file) ?? "")];
        foreach (string file in row.Files)
            if (read(file) is null) yield return $"{row.Vllm}: no file {file}";
        foreach (string symbol in row.Symbols)
        {
            string[] parts = symbol.Split('.');
            if (Find(parts[0]) is not { } type) yield return $"{row.Vllm}: no type {parts[0]}";
            else if (parts.Length > 1 && type.GetMember(parts[1], Anything).Length == 0) yield return $"{row.Vllm}: {parts[0]} has no {parts[1]}";
            else if (!texts.Any(text => Regex.IsMatch(text, $@"\b(?:class|struct|interface|record|enum) {parts[0]}\b"))) yield return $"{row.Vllm}: {parts[0]} is not declared in {string.Join(", ", row.Files)}";
        }
    }

    /// <summary>The type of that name, whatever its type parameters.</summary>
    public static Type? Find(string name) => Array.Find(Types, type => type.Name.Split('`')[0] == name);

    private static string[] Code(string cell, Regex pattern) => [.. pattern.Matches(cell).Select(match => match.Groups[1].Value)];

    [GeneratedRegex(@"`([A-Z]\w*(?:\.\w+)?)`")]
    private static partial Regex Symbol();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex AnyCode();
}
