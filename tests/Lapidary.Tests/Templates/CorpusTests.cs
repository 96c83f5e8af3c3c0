namespace Lapidary.Tests.Templates;

/// <summary>Our own small templates, every one rendered by Jinja2 and by us.</summary>
public sealed class CorpusTests(ITestOutputHelper output)
{
    /// <summary>Python prints an object's address here; the text cannot be compared.</summary>
    private const string AddressMark = "{# an address #}";

    private static readonly string Folder = Path.Combine(Jinja.Root, "tests", "jinja", "corpus");

    /// <summary>One template a line; "⏎" stands for a newline, "##" starts a heading.</summary>
    public static List<Case> Cases()
    {
        string variables = File.ReadAllText(Path.Combine(Folder, "variables.json"));
        List<Case> cases = [];
        foreach (string file in Directory.EnumerateFiles(Folder, "*.txt").Order())
        {
            string[] lines = File.ReadAllLines(file);
            for (int i = 0; i < lines.Length; i++)
                if (lines[i].Length > 0 && !lines[i].StartsWith("## ", StringComparison.Ordinal))
                    cases.Add(new Case($"{Path.GetFileName(file)}:{i + 1}", lines[i].Replace('⏎', '\n'), variables));
        }
        return cases;
    }

    [Fact]
    public void Every_template_renders_as_in_Jinja()
    {
        Jinja.Require();
        List<Case> cases = Cases().FindAll(item => !item.Template.Contains(AddressMark, StringComparison.Ordinal));
        Assert.True(cases.Count >= 300, $"the corpus has only {cases.Count} templates");
        Jinja.AssertSame(cases);
        output.WriteLine($"{cases.Count} templates agree with Jinja2, {cases.Count(item => Jinja.Ours(item).Text is null)} of them by refusing");
    }

    [Fact]
    public void A_wrong_rendering_is_reported()
    {
        Jinja.Require();
        Rendering expected = Jinja.RenderAll([new("control", "{{ 1.0 }}{{ [none] }}", "{}")])[0];
        Assert.Equal("1.0[None]", expected.Text);
        Assert.True(expected.Agrees(Jinja.Ours(new("control", "{{ 1.0 }}{{ [none] }}", "{}"))));
        Assert.False(expected.Agrees(new Rendering("1[None]", null)));
        Assert.False(expected.Agrees(new Rendering(null, "refused")));
        Assert.False(new Rendering(null, "refused").Agrees(expected));
    }

    [Fact]
    public void Values_printed_with_an_address_in_Python_print_without_one()
    {
        foreach (Case item in Cases().FindAll(item => item.Template.Contains(AddressMark, StringComparison.Ordinal)))
            if (Jinja.Ours(item).Text is { } text) Assert.DoesNotContain("0x", text, StringComparison.Ordinal);
    }
}
