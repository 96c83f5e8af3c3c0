namespace Lapidary.Tests.Templates;

/// <summary>
/// Published chat templates, which are not in the repository: *.jinja under tests/jinja/real, or in the folder named by
/// LAPIDARY_TEMPLATES. Each is rendered for every conversation by Jinja2 and by us.
/// </summary>
public sealed class RealTemplateTests(ITestOutputHelper output)
{
    private static string Folder => Environment.GetEnvironmentVariable("LAPIDARY_TEMPLATES") ?? Path.Combine(Jinja.Root, "tests", "jinja", "real");

    [Fact]
    public void Published_templates_render_as_in_Jinja()
    {
        string[] files = Directory.Exists(Folder) ? [.. Directory.EnumerateFiles(Folder, "*.jinja").Order()] : [];
        if (files.Length == 0) Assert.Skip($"no published templates here: put *.jinja files into tests/jinja/real or name their folder in LAPIDARY_TEMPLATES");
        Jinja.Require();
        List<(string Name, string Variables)> conversations = Jinja.Conversations();
        List<Case> cases = [];
        foreach (string file in files)
            foreach (var (name, variables) in conversations)
                cases.Add(new Case($"{Path.GetFileName(file)}/{name}", File.ReadAllText(file), variables));
        List<Rendering> expected = Jinja.RenderAll(cases);
        List<string> differences = [];
        int refused = 0, altered = 0;
        for (int i = 0; i < cases.Count; i++)
        {
            Rendering ours = Jinja.Ours(cases[i]);
            if (ours.Text is null) refused++;
            if (!ours.Agrees(expected[i])) differences.Add($"{cases[i].Name}\n  jinja {expected[i]}\n  ours  {ours}");
            // Negative control: one character more is a difference.
            if (ours.Text is { } text && !new Rendering(text + " ", null).Agrees(expected[i])) altered++;
        }
        output.WriteLine($"{files.Length} templates x {conversations.Count} conversations: {cases.Count - differences.Count} of {cases.Count} agree, {refused} of them by refusing");
        Assert.Equal(cases.Count - refused, altered);
        Assert.True(differences.Count == 0, $"{differences.Count} differ:\n{string.Join('\n', differences.Take(20))}");
    }
}
