using System.Text.RegularExpressions;

namespace Lapidary.Tests.Templates;

/// <summary>
/// Random templates that mostly make sense, from a grammar of Jinja with types: «int» stands for any expression that gives
/// an integer. The first rules of a kind are its leaves, taken when the depth is used up.
/// </summary>
internal sealed partial class TemplateGrammar(Random random)
{
    private const int Depth = 4;

    /// <summary>By kind: how many of the rules are leaves, and the rules.</summary>
    private static readonly Dictionary<string, (int Leaves, string[] Rules)> Kinds = new()
    {
        ["int"] = (7, ["0", "1", "2", "7", "-3", "n", "neg",
            "(«int» + «int»)", "«int» - «int»", "«int» * «int»", "(«int» // «int»)", "(«int» % «int»)", "-«int»", "(«int») ** «small»", "«str»|length", "«list»|length", "«ints»|sum", "«ints»|max", "«ints»|min", "(«int»)|abs",
            "«str».count(«str»)", "«str».find(«str»)", "«str»|int", "(«float»)|int", "(«int» if «bool» else «int»)", "«ints»[«int»]", "«str»|wordcount", "true + «int»", "(«int»)|default(5)", "d.b", "d['A']", "users[«small»].age", "«ints».index(«int»)", "«ints»|first", "(«bool»)|int"]),
        ["small"] = (5, ["0", "1", "2", "3", "4"]),
        ["float"] = (5, ["x", "2.5", "0.1", "1e3", "-0.5",
            "«int» / «int»", "«float» + «int»", "«float» * «float»", "(«float»)|round(«small»)", "(«float»)|round(1, 'floor')", "(«float»)|round(«small», 'ceil')", "«int»|float", "'3.25'|float", "floats[«small»]", "(«float»)|abs", "«float» // «int»", "«float» % «int»", "(«float») ** «small»"]),
        ["str"] = (9, ["'a'", "'Abc def'", "\"it's\"", "text", "name", "padded", "'é😀ß'", "''", "quotes",
            "(«str» ~ «any»)", "(«str» + «str»)", "«str» * «small»", "«str»[«int»:«int»]", "«str»[::«int»]", "«str»[«int»]", "«str»|upper", "«str»|lower", "«str»|capitalize", "«str»|title", "«str»|trim", "«str»|replace(«str», «str»)", "«str»|reverse",
            "«str»|center(«small» * 5)", "«str»|truncate(«small» * 4, true, '')", "«str»|truncate(9)", "(«any»)|string", "(«any»)|tojson", "«list»|join", "«list»|join(«str»)", "«words»|sort|join('-')", "«str».upper()", "«str».title()", "«str».strip()", "«str».strip('aA')", "«str».lstrip()",
            "«str».replace(«str», 'x', «small»)", "«str».capitalize()", "«str».swapcase()", "«str».center(9, '*')", "«str».zfill(7)", "«str».ljust(5) ~ '|'", "«str».partition('b')[0]", "«str».removeprefix('A')", "«str».removesuffix('c')",
            "'%5.2f' % («float»)", "'%s|%r' % («any», «any»)", "'%-6s|%05d' % («str», «int»)", "'{:>8}|{:<4}'.format(«str», «int»)", "'{0:+d} {0:x}'.format(«int»)", "'{!r:^12}'.format(«str»)", "'{:,.3f}'.format(«float»)", "(«str» if «bool» else «str»)", "«str»|default('none', «bool»)",
            "«str»|indent(2, «bool»)", "(«str» * 5)|wordwrap(«small» + 2)", "lines|indent(«small»)", "lines|wordwrap(«small» + 2)", "«str»|e", "«str»|urlencode", "«str»|first", "«str»|last", "«any»|pprint", "«words»[«int»]", "users[«small»].name", "«list»|tojson(indent=«small»)", "d.c.x[1].y", "(«str»).join(«words»)", "«str»|striptags", "«str»|format(«any»)"]),
        ["bool"] = (3, ["yes", "no", "true",
            "«int» < «int»", "«int» == «float»", "«int» <= «int» < «int»", "«str» < «str»", "«str» == «str»", "«str» in «str»", "«int» in «ints»", "«int» not in «ints»", "«str» in d", "not «bool»", "(«bool» and «bool»)", "(«bool» or «bool»)", "«int» is odd", "«int» is even", "«int» is divisibleby(«int»)",
            "«any» is string", "«any» is number", "«any» is iterable", "«any» is mapping", "«any» is sequence", "«any» is none", "missing is defined", "«any» is not defined", "«list» == «list»", "«str» is upper", "«str» is lower", "«str».startswith(«str»)", "«str».endswith(('c', 'd'))", "«str».isdigit()", "«str».isalpha()", "«str».islower()",
            "«any» == «any»", "«any» != «any»", "«any» is boolean", "«any» is sameas none", "«int» is in «ints»", "«int» is ge «int»", "«list» < «list»", "«any» is integer", "«any» is float"]),
        ["ints"] = (3, ["nums", "[3, 1, 2]", "[]",
            "range(«small»)|list", "range(«int», «int», «small»)|list", "«ints» + «ints»", "«ints»|sort", "«ints»|sort(reverse=«bool»)", "«ints»|unique|list", "«ints»|reverse|list", "«ints»[«int»:]", "«ints»[:«int»:«int»]", "«ints»|select('odd')|list", "«ints»|reject('lt', «int»)|list",
            "«ints»|map('abs')|list", "users|map(attribute='age')|list", "[«int», «int»]", "«words»|map('length')|list", "«ints» * «small»", "«words»|map('int', «int»)|list"]),
        ["words"] = (3, ["words", "['b', 'A', 'a']", "['x']",
            "«str»|list", "«str».split()", "«str».split(«str»)", "«str».rsplit('b', «small»)", "lines.splitlines()", "«words»|sort", "«words»|sort(case_sensitive=true)", "«words»|unique|list", "«words»|map('upper')|list", "«words»|select('string')|list", "«words»|reverse|list", "users|map(attribute='name')|list", "d.keys()|list", "«words» + «words»", "[«str», «str»]",
            "users|selectattr('age', 'gt', «int»)|map(attribute='name')|list", "users|rejectattr('tags')|map(attribute='city')|list", "users|sort(attribute='age,name')|map(attribute='name')|list", "«words»[«int»:«int»]"]),
        ["list"] = (4, ["«ints»", "«words»", "mixed", "nested",
            "[«any», «any»]", "(«any», «any»)", "d.items()|list", "d|dictsort", "d|dictsort(true, 'key', «bool»)", "«list»|batch(«small»)|list", "«list»|batch(2, 0)|list", "«list»|slice(«small»)|list", "users|groupby('age')|map('first')|list", "users|groupby('city')|map('last')|map('length')|list", "«list»|list", "«list»[«int»:«int»:«int»]", "pairs|map('last')|list", "«list»|map('string')|list", "(«ints», «words»)|sort|list"]),
        ["any"] = (4, ["«int»", "«str»", "nil", "missing",
            "«float»", "«bool»", "«list»", "{'k': «any», «int»: «any»}", "dict(a=«any»)", "d.get(«str», «any»)", "mixed[«int»]", "dict(one, b=«int»)", "a", "b", "(«any») or «any»", "(«any») and «any»", "«any»|default(«any»)", "«any»|d(«any», true)", "«bool»"]),
        ["text"] = (6, ["x", " ", "\n", "  \n", "two words\n", "\t."]),
        ["print"] = (2, ["{{ «any» }}", "{{ «str» }}", "{{ «int» }}", "{{ «float» }}", "{{ «bool» }}", "{{ «list» }}", "{{ «words»|join(', ') }}"]),
        ["loop"] = (4, ["{{ loop.index }}", "{{ i }}", "{{ loop.last }}", "{{ loop.revindex0 }}",
            "{% if not loop.last %},{% endif %}", "{{ loop.cycle('x', «str») }}", "{% if loop.changed(i) %}!{% endif %}", "{{ loop.length }}/{{ loop.depth }}", "{{ loop.previtem }}<{{ loop.nextitem }}", "{% if «bool» %}{% continue %}{% endif %}", "{% if loop.index > «small» %}{% break %}{% endif %}", "{% set a = i %}", "{% set ns.v = ns.v ~ i %}", "«body»", "{{ loop.first }}{{ i }}"]),
        ["body"] = (3, ["«print»", "«text»«print»", "«text»",
            "{% if «bool» %}«body»{% endif %}", "{% if «any» %}«body»{% elif «bool» %}«body»{% else %}«body»{% endif %}", "{% for i in «list» %}«loop»«text»«loop»{% endfor %}", "{% for i in «list» if «bool» %}«loop»{% else %}«body»{% endfor %}", "{% for i in «ints» if i > «small» %}«loop»{% endfor %}",
            "{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %}", "{% for i in «str» %}«loop»{% endfor %}", "{% for i in tree recursive %}{{ i.v }}{{ loop.depth }}{{ loop(i.kids) }}{% endfor %}", "{% set a = «any» %}", "{% set a, b = «int», «str» %}", "{% set b %}«body»{% endset %}{{ b|length }}", "{% set a | upper %}«body»{% endset %}{{ a }}",
            "{% set ns.v = «any» %}{{ ns.v }}", "{% macro m(p, q=«any») %}«body»{{ p }}{{ q }}{% endmacro %}{{ m(«any») }}{{ m(«any», q=«any») }}", "{% macro w() %}[{{ caller(«int») }}]{% endmacro %}{% call(i) w() %}{{ i }}«body»{% endcall %}", "{% with a = «any», b = a %}{{ a }}{{ b }}«body»{% endwith %}", "{% filter upper %}«body»{% endfilter %}",
            "{% filter replace('a', 'b')|trim %}«body»{% endfilter %}", "{# a comment #}", "{% raw %}{{ x }}{% endraw %}", "«body»«text»«body»", "{% generation %}«body»{% endgeneration %}", "{% print «any» %}", "{% macro r(n) %}{{ n }}{% if n > 0 %}{{ r(n - 1) }}{% endif %}{% endmacro %}{{ r(«small») }}", "{% macro v() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ v(«any», z=«any») }}"]),
    };

    public string Template() => Marks().Replace("{% set ns = namespace(v=1) %}" + Expand("«body»«text»«body»", Depth), Mark);

    private string Expand(string rule, int depth) => Place().Replace(rule, place =>
    {
        var (leaves, rules) = Kinds[place.Groups[1].Value];
        return Expand(rules[random.Next(depth > 0 ? rules.Length : leaves)], depth - 1);
    });

    /// <summary>White space control at one tag in six.</summary>
    private string Mark(Match tag) => (tag.Value, random.Next(12)) switch
    {
        ("{%" or "{{" or "{#", 0) => tag.Value + "-",
        ("%}" or "}}" or "#}", 0) => "-" + tag.Value,
        ("{%", 1) => "{%+",
        ("%}", 1) => "+%}",
        _ => tag.Value,
    };

    [GeneratedRegex("«(\\w+)»")]
    private static partial Regex Place();

    // Not the braces of a dict inside a tag: those have no space beside them.
    [GeneratedRegex(@"\{%(?= )|(?<= )%\}|\{\{(?= )|(?<= )\}\}|\{#(?= )|(?<= )#\}")]
    private static partial Regex Marks();
}
