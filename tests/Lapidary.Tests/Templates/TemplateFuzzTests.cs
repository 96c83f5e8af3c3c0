using System.Diagnostics;

namespace Lapidary.Tests.Templates;

/// <summary>Templates broken at random: only the typed refusal comes out (Jinja.Ours lets every other exception through).</summary>
public sealed class TemplateFuzzTests(ITestOutputHelper output)
{
    private static readonly string[] Splices =
        ["{{", "}}", "{%", "%}", "{#", "#}", "-%}", "{%-", "(", ")", "[", "]", "'", "\"", "|", ".", ",", ":", "~", "**", "//", "\\", "\n", "for", "in", "endfor", "if", "set", "loop", "macro", "is", "not", "\0", "\ud800", "é", "9", "1e999"];

    [Fact]
    public void Any_mutation_renders_or_is_refused()
    {
        const int Seed = 20261124;
        Random random = new(Seed);
        string tiny = File.ReadAllText(Path.Combine(Goldens.TinyModel, "chat_template.jinja"));
        List<Case> corpus = CorpusTests.Cases();
        string request = """{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},{"role":"tool","content":"2"}],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"a":{"type":"number"}},"required":["a"]}}}],"add_generation_prompt":true,"bos_token":"<bos>"}""";
        int rendered = 0, refused = 0;
        TimeSpan slowest = TimeSpan.Zero;
        for (int round = 0; round < 6000; round++)
        {
            Case original = round % 4 == 0 ? new Case("tiny", tiny, request) : corpus[random.Next(corpus.Count)];
            Case mutated = original with { Template = Mutate(original.Template, random) };
            Stopwatch clock = Stopwatch.StartNew();
            try
            {
                if (Jinja.Ours(mutated).Text is null) refused++;
                else rendered++;
            }
            catch (Exception exception)
            {
                Assert.Fail($"seed {Seed}, round {round}, {original.Name}: {exception.GetType().Name}: {exception.Message}\n{mutated.Template}\n{exception.StackTrace}");
            }
            if (clock.Elapsed > slowest) slowest = clock.Elapsed;
        }
        output.WriteLine($"{rendered} rendered, {refused} refused, slowest {slowest.TotalMilliseconds:f0} ms");
        Assert.True(rendered > 500 && refused > 500, $"{rendered} rendered, {refused} refused: the mutations test nothing");
        Assert.True(slowest < TimeSpan.FromSeconds(5));
    }

    private static string Mutate(string text, Random random)
    {
        for (int i = random.Next(1, 4); i > 0 && text.Length > 0; i--)
        {
            int at = random.Next(text.Length), length = Math.Min(random.Next(1, 12), text.Length - at), from = random.Next(text.Length);
            text = random.Next(5) switch
            {
                0 => text.Remove(at, length),
                1 => text.Insert(at, Splices[random.Next(Splices.Length)]),
                2 => text.Insert(from, text.Substring(at, length)),
                3 => string.Concat(text.AsSpan(0, at), ((char)random.Next(1, 128)).ToString(), text.AsSpan(at + 1)),
                _ => text[..at],
            };
        }
        return text;
    }
}
