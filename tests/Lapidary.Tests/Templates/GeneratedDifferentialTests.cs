namespace Lapidary.Tests.Templates;

/// <summary>Random templates, each rendered by Jinja2 and by us.</summary>
public sealed class GeneratedDifferentialTests(ITestOutputHelper output)
{
    private const int Seed = 20250117, Count = 3_000;

    private static List<Case> Generate(int seed, int count)
    {
        TemplateGrammar grammar = new(new Random(seed));
        string variables = CorpusTests.Cases()[0].Variables;
        return [.. Enumerable.Range(0, count).Select(i => new Case($"{seed}/{i}", grammar.Template(), variables))];
    }

    [Fact]
    public void Generated_templates_render_as_in_Jinja()
    {
        Jinja.Require();
        List<Case> cases = Generate(Seed, Count);
        List<Rendering> expected = Jinja.RenderAll(cases);
        int rendered = expected.Count(one => one.Text is { Length: > 0 });
        Assert.True(rendered > Count / 2, $"only {rendered} of {Count} templates render: the grammar tests nothing");
        List<string> differences = [];
        for (int i = 0; i < cases.Count; i++)
        {
            Rendering ours = Jinja.Ours(cases[i]);
            if (!ours.Agrees(expected[i])) differences.Add($"{cases[i].Name}: {cases[i].Template}\n  jinja {expected[i]}\n  ours  {ours}");
        }
        output.WriteLine($"{Count - differences.Count} of {Count} agree; {rendered} render, {Count - rendered} are empty or refused by both");
        if (differences.Count > 0) Assert.Fail($"{differences.Count} of {Count} differ:\n{string.Join('\n', differences.OrderBy(one => one.Length).Take(40))}");
    }

    /// <summary>Negative control: the same grammar finds a wrong renderer, here one whose text lacks its last character.</summary>
    [Fact]
    public void A_wrong_renderer_is_found()
    {
        Jinja.Require();
        List<Case> cases = Generate(Seed + 1, 100);
        List<Rendering> expected = Jinja.RenderAll(cases);
        int found = 0, texts = 0;
        for (int i = 0; i < cases.Count; i++)
        {
            if (Jinja.Ours(cases[i]).Text is not { Length: > 0 } text) continue;
            texts++;
            if (!new Rendering(text[..^1], null).Agrees(expected[i])) found++;
        }
        Assert.True(texts > 40, $"only {texts} of 100 templates render");
        Assert.Equal(texts, found);
    }
}
