namespace Lapidary.Tests.Architecture;

/// <summary>The source keeps its rules, and each rule notices a file that breaks it.</summary>
public sealed class SourceRulesTests
{
    private static readonly IReadOnlyList<SourceFile> Product = SourceTree.Files(".cs", "src");
    private static readonly IReadOnlyList<SourceFile> Pages = [.. SourceTree.Files(".md", "docs"), .. RootPages()];

    /// <summary>Every name and alias that is an activation's alone; "gelu" and the like are words of prose as well, in quotes too.</summary>
    private static readonly string[] ActivationNames = [.. ActivationRegistry.Default.All.SelectMany(a => a.Info.Aliases.Append(a.Info.Name)).Distinct()];

    private static IEnumerable<SourceFile> RootPages()
        => Directory.GetFiles(Goldens.Repository, "*.md").Select(path => new SourceFile(Path.GetFileName(path), File.ReadAllText(path)));

    private static bool Exists(string path) => Path.Combine(Goldens.Repository, path) is var full && (File.Exists(full) || Directory.Exists(full));

    [Fact]
    public void Projects_reference_only_what_they_may() => Assert.Empty(SourceRules.ProjectEdges(SourceTree.Files(".csproj", "src")));

    [Fact]
    public void An_engine_that_references_a_device_is_noticed()
        => Assert.Equal(3, SourceRules.ProjectEdges(
        [
            new("src/Lapidary.Engine/Lapidary.Engine.csproj",
                "<Project><PropertyGroup><AllowUnsafeBlocks>true</AllowUnsafeBlocks></PropertyGroup><ProjectReference Include='../Lapidary.Cpu/Lapidary.Cpu.csproj'/></Project>"),
            new("src/Lapidary.New/Lapidary.New.csproj", "<Project/>"),
        ]).Count());

    [Fact]
    public void Files_are_short() => Assert.Empty(SourceRules.FileLengths([.. Product, .. SourceTree.Files(".cs", "tests", "benchmarks")]));

    [Fact]
    public void A_long_file_is_noticed() => Assert.Equal(2, SourceRules.FileLengths([new("a.cs", new string('\n', 601) + "x")]).Count());

    [Fact]
    public void Types_are_named_after_what_they_are() => Assert.Empty(SourceRules.VagueNames(Product));

    [Fact]
    public void A_vague_name_is_noticed()
        => Assert.Equal(2, SourceRules.VagueNames([new("a.cs", "class CacheManager {} static class MathUtils {} class Managed {}")]).Count());

    [Fact]
    public void No_activation_is_named_outside_its_definition() => Assert.Empty(SourceRules.ActivationNames(Product, ActivationNames));

    [Fact]
    public void An_activation_named_elsewhere_is_noticed()
        => Assert.Single(SourceRules.ActivationNames([new("src/Lapidary.Cpu/X.cs", "// \"silu\"\nif (name == \"gelu_pytorch_tanh\") return;")], ActivationNames));

    [Fact]
    public void Links_in_the_docs_lead_somewhere() => Assert.Empty(SourceRules.BrokenLinks(Pages, Exists));

    [Fact]
    public void Paths_in_the_docs_exist() => Assert.Empty(SourceRules.StalePaths(Pages, Exists));

    [Fact]
    public void A_dead_link_and_a_stale_path_are_noticed()
    {
        SourceFile[] page = [new("docs/a.md", "[x](../README.md) [y](nowhere.md) `src/Gone.cs`")];
        Assert.Equal(["docs/a.md links to nowhere.md"], SourceRules.BrokenLinks(page, Exists));
        Assert.Equal(["docs/a.md names src/Gone.cs"], SourceRules.StalePaths(page, Exists));
    }
}
