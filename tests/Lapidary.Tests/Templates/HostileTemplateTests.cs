using System.Diagnostics;

namespace Lapidary.Tests.Templates;

/// <summary>Templates made to cost time or memory, to recurse, or to reach outside their input: each ends soon, with a typed refusal.</summary>
public sealed class HostileTemplateTests
{
    private static string Repeat(string text, int times) => string.Concat(Enumerable.Repeat(text, times));

    private static readonly Dictionary<string, string> Hostile = new()
    {
        ["nested loops"] = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        ["a loop that prints without end"] = "{% for a in range(99999) %}{{ 'x' * 99999 }}{% endfor %}",
        ["a huge range"] = "{{ range(10 ** 15) | list | length }}",
        ["a huge power"] = "{{ 9 ** 9 ** 9 }}",
        ["a power of powers"] = "{% set ns = namespace(x=10) %}{% for i in range(100) %}{% set ns.x = ns.x * ns.x %}{% endfor %}{{ ns.x }}",
        ["text times a number"] = "{{ 'x' * 10 ** 12 }}",
        ["a list times a number"] = "{{ ([0] * 10 ** 12) | length }}",
        ["doubled text"] = "{% set ns = namespace(x='xx') %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x | length }}",
        ["a doubled list"] = "{% set ns = namespace(x=[1, 2]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x | length }}",
        ["doubled by interpolation"] = "{% set ns = namespace(x='xx') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x | length }}",
        ["doubled by join"] = "{% set ns = namespace(x='xx') %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] | join(ns.x) %}{% endfor %}{{ ns.x | length }}",
        ["doubled by replace"] = "{% set ns = namespace(x='xx') %}{% for i in range(100) %}{% set ns.x = ns.x | replace('x', ns.x) %}{% endfor %}{{ ns.x | length }}",
        ["doubled by a block"] = "{% set x = 'xx' %}" + Repeat("{% set x %}{{ x }}{{ x }}{% endset %}", 100) + "{{ x | length }}",
        ["shared lists printed"] = "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
        ["shared lists as JSON"] = "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}",
        ["shared lists compared"] = "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(100) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x == n.y }}",
        ["deep lists printed"] = "{% set ns = namespace(x=[1]) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
        ["deep lists compared"] = "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(90000) %}{% set n.x = [n.x] %}{% set n.y = [n.y] %}{% endfor %}{{ n.x == n.y }}",
        ["a wide format"] = "{{ '%999999999999d' | format(1) }}",
        ["a wide format method"] = "{{ '{:>999999999999}'.format('x') }}",
        ["a wide centre"] = "{{ 'x' | center(999999999999) }}",
        ["a deep indent"] = "{{ ('x\n' * 1000) | indent(99999999) }}",
        ["JSON indented far"] = "{{ [[[1]]] | tojson(indent=999999999) }}",
        ["a padded method"] = "{{ 'x'.ljust(99999999999) }}",
        ["a macro that calls itself"] = "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        ["macros that call each other"] = "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}",
        ["a recursive loop"] = "{% set ns = namespace(x=[1]) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% endfor %}{% for x in ns.x recursive %}{{ loop(x) }}{% endfor %}",
        ["call blocks without end"] = "{% macro f() %}{{ caller() }}{% call f() %}{{ caller }}{% endcall %}{% endmacro %}{% call f() %}x{% endcall %}",
        ["parentheses"] = "{{ " + Repeat("(", 100_000) + "1" + Repeat(")", 100_000) + " }}",
        ["brackets"] = "{{ " + Repeat("[", 100_000) + Repeat("]", 100_000) + " }}",
        ["minus signs"] = "{{ " + Repeat("-", 100_000) + "1 }}",
        ["nots"] = "{{ " + Repeat("not ", 100_000) + "1 }}",
        ["a long sum"] = "{{ 1" + Repeat(" + 1", 200_000) + " }}",
        ["a long power"] = "{{ 1" + Repeat(" ** 1", 100_000) + " }}",
        ["many filters"] = "{{ 'x'" + Repeat(" | upper", 100_000) + " }}",
        ["many attributes"] = "{{ messages" + Repeat(".a", 100_000) + " }}",
        ["many else-ifs"] = "{% if 0 %}" + Repeat("{% elif 0 %}", 100_000) + "{% endif %}",
        ["nested ifs"] = Repeat("{% if 1 %}", 100_000) + Repeat("{% endif %}", 100_000),
        ["conditional expressions"] = "{{ " + Repeat("1 if 0 else ", 100_000) + "1 }}",
        ["an open tag"] = Repeat("{{ ", 100_000),
        ["an open comment"] = "{#" + Repeat(" ", 1_000_000),
        ["an open string"] = "{{ '" + Repeat("\\", 1_000_000),
        ["spaces in an urlize"] = "{{ ('http://' ~ ('a' * 50000)) | urlize }}",
        ["tags to strip"] = "{{ ('<' * 90000) | striptags }}",
        ["words to wrap"] = "{{ ('a ' * 50000) | wordwrap(1) }}",
        ["a big sort"] = "{{ (range(99999) | list | sort(reverse=true) | sort)[0] }}",
        ["unique of many"] = "{{ range(99999) | list | unique | list | length }}",
        ["groups of many"] = "{{ range(99999) | batch(2) | list | length }}",
    };

    /// <summary>Python's ways out of a sandbox; each is refused or undefined, never a value.</summary>
    private static readonly string[] WaysOut =
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ messages.__class__.__init__.__globals__ }}", "{{ self.__init__.__globals__ }}",
        "{{ ''['__class__']['__mro__'] }}", "{{ (''|attr('__class__')).__mro__ }}", "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ ''.format.__self__.__class__.x }}", "{{ '{0.__class__.__mro__}'.format(1) }}", "{{ '{0[__class__]}'.format(messages) }}",
        "{% include '/etc/passwd' %}", "{% import '/etc/passwd' as x %}", "{% extends '/etc/passwd' %}", "{{ open('/etc/passwd').read() }}",
        "{{ messages.append(1) }}{{ messages.pop.__func__.x }}", "{{ lipsum.__globals__ }}", "{{ joiner.__init__.__globals__ }}", "{{ config.items().x }}", "{{ messages.GetType().Assembly.x }}",
        "{{ messages.ToString().Length.x.y }}", "{{ environment.x.y }}", "{{ raise_exception.__globals__.x }}", "{{ namespace.__init__.__globals__ }}",
    ];

    public static TheoryData<string> Kinds => [.. Hostile.Keys];

    public static TheoryData<string> Escapes => [.. WaysOut];

    [Theory, MemberData(nameof(Kinds))]
    public void A_hostile_template_ends_soon_and_leaves_the_process_alive(string kind)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        Stopwatch clock = Stopwatch.StartNew();
        Rendering rendering = Jinja.Ours(new Case(kind, Hostile[kind], """{"messages":[]}"""));
        TimeSpan elapsed = clock.Elapsed;
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(elapsed < TimeSpan.FromSeconds(5), $"{kind} took {elapsed.TotalSeconds:f1} s");
        Assert.True(allocated < 2L << 30, $"{kind} allocated {allocated >> 20} MiB");
        if (rendering.Text is null) Assert.DoesNotContain('\n', rendering.Error!);
        else Assert.True(rendering.Text.Length < 1 << 26);
    }

    /// <summary>The control: the limits are not so low that ordinary work meets them.</summary>
    [Fact]
    public void Ordinary_templates_stay_within_the_limits()
    {
        string conversation = "[" + string.Join(',', Enumerable.Range(0, 2000).Select(i => $$"""{"role":"user","content":"message {{i}}"}""")) + "]";
        Rendering rendering = Jinja.Ours(new Case(
            "long", "{% for m in messages %}{{ '<' ~ m.role ~ '>' ~ m.content | trim }}{% for i in range(20) %}{{ loop.index }}{% endfor %}{% endfor %}", $$"""{"messages":{{conversation}}}"""));
        Assert.True(rendering.Text?.Length > 40_000, rendering.ToString());
    }

    [Theory, MemberData(nameof(Escapes))]
    public void Nothing_outside_the_input_can_be_reached(string template)
    {
        Rendering rendering = Jinja.Ours(new Case("escape", template, """{"messages":["a"]}"""));
        Assert.True(string.IsNullOrEmpty(rendering.Text), $"{template} gave {rendering}");
    }
}
