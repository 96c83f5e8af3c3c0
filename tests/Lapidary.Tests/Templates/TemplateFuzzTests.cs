using System.Text;
using System.Text.RegularExpressions;
using Lapidary.Templates;

namespace Lapidary.Tests.Templates;

/// <summary>Damaged templates: whatever stands in one, it renders or is refused in one line.</summary>
public sealed partial class TemplateFuzzTests(ITestOutputHelper output)
{
    private const int Seed = 20241103, Rounds = 6_000;

    private static readonly string[] Splices =
    [
        "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "{{-", "-%}", "(", ")", "[", "]", "{", "}", "'", "\"", "\\", "|", ".", ",", ":", "=", "==", "~", "*", "**", "//", "%", "<", ">=", "!", "!=", "0", "1", "-1", "1e999", "99999999999999999999",
        "0x", "1_0", "'\\ud800'", "'\\x41'", "'{:5}'", "'%5s'", " if ", " else ", " in ", " is ", " not ", " and ", " or ", "{% if a %}", "{% elif b %}", "{% else %}", "{% endif %}", "{% for i in a %}", "{% for k, v in a.items() recursive %}", "{% endfor %}", "{% break %}", "{% continue %}",
        "{% set a = b %}", "{% set ns.a = b %}", "{% set a %}", "{% endset %}", "{% macro m(a, b=1) %}", "{% endmacro %}", "{% call m() %}", "{% endcall %}", "{{ caller() }}", "{% filter upper %}", "{% endfilter %}", "{% with a = 1 %}", "{% endwith %}", "{% raw %}", "{% endraw %}",
        "{% generation %}", "{% endgeneration %}", "loop", "loop.index", "loop(a)", "messages", "messages[0]", ".content", "['role']", "[::-1]", "[1:]", "|length", "|tojson", "|map(attribute='content')", "|select('string')|list", "|join(',')", "|sort", "|int", "|default(1)", "|batch(2)", "|groupby('role')",
        " is defined", " is string", " is mapping", "namespace()", "range(9)", "dict(a=1)", "raise_exception('x')", "strftime_now('%Y')", "none", "true", "\n", "  ", "\u00e9", "\U0001F600", "\ud800", "\0", "\u2028",
    ];

    /// <summary>What may stand where a name, a number or a string stands.</summary>
    private static readonly string[] Values =
    [
        "0", "-1", "1.5", "99999999999", "''", "'a'", "'é😀'", "'%d %s'", "'{}{1}'", "none", "true", "[]", "[1, 'a', none]", "{}", "{'a': [1]}", "(1,)", "missing", "messages", "messages[0]", "loop", "range(3)", "namespace", "namespace(a=1)",
        "cycler(1, 2)", "joiner()", "dict(a=1)", "d", "nums", "words", "mixed", "big", "x", "(messages|map('length'))", "upper", "list", "length", "join", "string", "items", "first", "sort", "caller", "varargs", "self", "2**99", "1/0", "'a'*9", "not 1", "a if b", "a.b.c", "a()", "a[b]",
    ];

    private static readonly string Model = File.ReadAllText(Path.Combine(Goldens.TinyModel, "chat_template.jinja"));

    private static readonly string[] Templates = [.. CorpusTests.Cases().Select(item => item.Template)];

    private static readonly Dictionary<string, TemplateValue>[] Inputs = [.. Jinja.Conversations().Select(one => Merged(one.Variables))];

    /// <summary>A conversation's variables, and those of the corpus.</summary>
    private static Dictionary<string, TemplateValue> Merged(string conversation)
    {
        Dictionary<string, TemplateValue> variables = Jinja.Variables(CorpusTests.Cases()[0].Variables);
        foreach (var (name, value) in Jinja.Variables(conversation)) variables[name] = value;
        return variables;
    }

    [Fact]
    public void A_damaged_template_renders_or_is_refused_and_nothing_else()
    {
        Random random = new(Seed);
        int rendered = 0, refusedAtParse = 0, refusedAtRender = 0;
        for (int round = 0; round < Rounds; round++)
        {
            string damaged = Damage(random.Next(3) == 0 ? Model : Templates[random.Next(Templates.Length)], random);
            Template? template = null;
            try
            {
                template = Template.Parse(damaged, "damaged");
                string text = template.Render(Inputs[random.Next(Inputs.Length)], clock: Jinja.Clock, cancellation: TestContext.Current.CancellationToken);
                Assert.Equal(text, Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)));   // whole characters only
                rendered++;
            }
            catch (TemplateException exception)
            {
                Assert.StartsWith("damaged", exception.Message, StringComparison.Ordinal);
                Assert.False(exception.Message.Any(char.IsControl), $"round {round}: a control character in {exception.Message}");
                if (template is null) refusedAtParse++;
                else refusedAtRender++;
            }
            catch (Exception exception)
            {
                Assert.Fail($"round {round} of seed {Seed}: {exception}\n{damaged}");
            }
        }
        output.WriteLine($"{rendered} rendered, {refusedAtParse} refused when parsed, {refusedAtRender} when rendered");
        Assert.True(rendered > Rounds / 20 && refusedAtParse > Rounds / 20 && refusedAtRender > Rounds / 20, "the damage tests nothing");
    }

    private static string Damage(string template, Random random)
    {
        StringBuilder text = new(template);
        for (int changes = random.Next(1, 4); changes > 0 && text.Length > 1; changes--)
        {
            int at = random.Next(text.Length), length = Math.Min(random.Next(1, 12), text.Length - at);
            switch (random.Next(13))
            {
                case 0: text[at] = (char)(text[at] ^ (1 << random.Next(7))); break;
                case 1: text[at] = (char)random.Next(random.Next(2) == 0 ? 0x80 : 0x10000); break;
                case 2: text.Remove(at, length); break;
                case 3: text.Insert(at, text.ToString(at, length)); break;
                case 4: text.Insert(at, Splices[random.Next(Splices.Length)]); break;
                case 5: text.Remove(at, length).Insert(at, Splices[random.Next(Splices.Length)]); break;
                case 6: InsertPart(text, at, Templates[random.Next(Templates.Length)], random); break;
                default: ReplaceWord(text, at, random); break;
            }
        }
        return text.ToString();
    }

    private static void InsertPart(StringBuilder text, int at, string other, Random random)
    {
        int start = random.Next(other.Length);
        text.Insert(at, other.AsSpan(start, Math.Min(random.Next(1, 60), other.Length - start)));
    }

    /// <summary>Replaces the next word by a value, so that more of the damaged templates can be parsed.</summary>
    private static void ReplaceWord(StringBuilder text, int from, Random random)
    {
        Match word = Word().Match(text.ToString(), from);
        if (word.Success) text.Remove(word.Index, word.Length).Insert(word.Index, Values[random.Next(Values.Length)]);
    }

    [GeneratedRegex(@"'[^']*'|\b(?!if|elif|else|for|in|set|end|macro|call|filter|with|raw|is|not|and|or)\w+")]
    private static partial Regex Word();
}
