using Lapidary.Templates;
using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Tests.Templates;

/// <summary>Templates made to run for ever, to fill the memory, to overflow the stack, or to reach outside their input.</summary>
public sealed class HostileTemplateTests(ITestOutputHelper output)
{
    private const int SmallStack = 512 << 10;   // half of what any platform gives its threads
    private static readonly TimeSpan Endless = TimeSpan.FromMinutes(2);   // each takes less than a second

    /// <summary>The text or the error's message; null text when refused.</summary>
    private sealed record Outcome(string? Text, string Message, long Allocated);

    private static string Nested(string open, string middle, string close, int depth)
        => string.Concat(Enumerable.Repeat(open, depth)) + middle + string.Concat(Enumerable.Repeat(close, depth));

    private static string Repeated(string text, int count) => string.Concat(Enumerable.Repeat(text, count));

    private static string Numbered(Func<int, string> part, int count) => string.Concat(Enumerable.Range(0, count).Select(part));

    private static string ForEver(string body) => "{% for i in range(100000) %}{% for j in range(100000) %}" + body + "{% endfor %}{% endfor %}";

    private static readonly Dictionary<string, (string Template, string Expected)> EndlessOrHuge = new()
    {
        ["nested loops"] = (ForEver(""), "seems to loop without end"),
        ["a loop that prints"] = (ForEver("abc"), "allowed|seems to loop"),
        ["a range beyond the sandbox"] = ("{{ range(100001)|list }}", "larger than the 100000"),
        ["a range beyond 2^31"] = ("{{ range(99999999999) }}", "beyond 2^31"),
        ["a string multiplied"] = ("{{ 'x' * 99999999999999999999 }}", "longer than"),
        ["a string doubled again and again"] = ("{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}", "longer than"),
        ["a list doubled again and again"] = ("{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}", "longer than"),
        ["one long text joined with itself many times"] = ("{% set s = 'x' * 16000000 %}{{ s" + Repeated(" ~ s", 200) + " }}", "longer than"),
        ["join of a long text"] = ("{% set s = 'x' * 1000000 %}{{ (([s] * 1000)|join)|length }}", "longer than"),
        ["join with a long separator"] = ("{{ (range(100000)|join('x' * 1000000))|length }}", "longer than"),
        ["replace by a longer text"] = ("{{ ('a' * 1000000)|replace('a', 'b' * 1000000)|length }}", "longer than"),
        ["replace of nothing"] = ("{{ ('a' * 1000000)|replace('', 'b' * 1000)|length }}", "longer than"),
        ["lists kept in lists"] = ("{% set n = namespace(x=[]) %}{% for i in range(100000) %}{% set n.x = [n.x, range(100000)|list] %}{% endfor %}", "bytes of memory"),
        ["small objects kept"] = ("{% set n = namespace(x=[]) %}" + ForEver("{% set n.x = [n.x, {}, {}, {}] %}"), "bytes of memory"),
        ["a value with 2^60 parts printed"] = ("{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}", "allowed"),
        ["values with 2^60 parts compared"] = ("{% set n = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x == n.y }}", "seems to loop"),
        ["a value with 2^60 parts as JSON"] = ("{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x|tojson }}", "allowed|seems to loop"),
        ["a power"] = ("{{ 9 ** 9 ** 9 ** 9 ** 9 }}", "bits allowed"),
        ["a factorial"] = ("{% set n = namespace(x=1) %}{% for i in range(1, 99999) %}{% set n.x = n.x * i %}{% endfor %}", "bits is larger"),
        ["division of long integers"] = ("{% set b = 3 ** 5000 %}{% set c = 3 ** 4990 %}" + ForEver("{% set x = b / c %}{% set x = b % c %}"), "seems to loop"),
        ["long integers printed"] = ("{% set b = 3 ** 5000 %}" + ForEver("{% set x = b|string %}"), "the template took more"),
        ["long integers in octal"] = ("{% set b = 3 ** 5000 %}" + ForEver("{% set x = '%o' % b %}"), "the template took more"),
        ["long digits read"] = ("{% set s = 'z' * 4300 %}" + ForEver("{% set x = s|int(0, 36) %}"), "the template took more"),
        ["floats with 1,000 digits"] = (ForEver("{% set x = '%.1000f' % 0.1 %}"), "the template took more"),
        ["a width in %"] = ("{{ '%999999999d' % 1 }}", "longer than"),
        ["a width from the values in %"] = ("{{ '%*d' % (2147483647, 1) }}", "longer than"),
        ["a precision in %"] = ("{{ '%.999999999f' % 1.0 }}", "precision"),
        ["a width in format"] = ("{{ '{:999999999}'.format(1) }}", "longer than"),
        ["a width in format, nested"] = ("{{ '{:{}}'.format(1, 999999999) }}", "longer than"),
        ["a grouped width in format"] = ("{{ '{:099999999,}'.format(1)|length }}", "longer than"),
        ["format fields without end"] = ("{{ ('{0}' * 100000).format('x' * 1000000)|length }}", "longer than"),
        ["centred"] = ("{{ 'x'|center(2147483647) }}", "longer than"),
        ["indented"] = ("{{ ('a\n' * 100000)|indent(100000)|length }}", "longer than"),
        ["tabs"] = ("{{ ('\t' * 100000).expandtabs(1000000)|length }}", "longer than"),
        ["JSON with a long indent"] = ("{{ " + Nested("[", "1", "]", 60) + "|tojson(indent=9999999999) }}", "longer than"),
        ["a long text without white space wrapped"] = ("{{ ('x' * 1000000)|wordwrap(1)|length }}", "the template"),
        ["batches padded"] = ("{{ [1]|batch(999999999, 0)|list }}", "longer than"),
        ["slices without end"] = ("{{ []|slice(2147483647)|list }}", "longer than"),
        ["URL encoding of one text many times"] = ("{% set s = '/' * 1000000 %}{{ ([[s, s]] * 1000)|urlencode|length }}", "the template"),
        ["attributes of one long text"] = ("{% set s = '<' * 1000000 %}{% set n = namespace(d={}) %}{% for i in range(50) %}{% set n.d = dict(n.d, **{'a' ~ i: s}) %}{% endfor %}{{ n.d|xmlattr|length }}", "longer than"),
        ["a text found nowhere in a text like it"] = ("{% set s = 'a' * 4000000 %}{% set t = 'a' * 2000000 ~ 'b' ~ 'a' * 1000000 %}{{ t in s }}", "seems to loop"),
        ["a text counted in a text like it"] = ("{{ ('a' * 4000000).count('a' * 2000000 ~ 'b' ~ 'a' * 1000000) }}", "seems to loop"),
        ["a text split by a text like it"] = ("{{ ('a' * 4000000).rsplit('a' * 1000000 ~ 'b' ~ 'a' * 1000000)|length }}", "seems to loop"),
        ["a macro that calls itself"] = ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "inside each other|nested too deeply"),
        ["two macros that call each other"] = ("{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}", "inside each other|nested too deeply"),
        ["a macro that calls itself twice"] = ("{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(20) }}", "seems to loop"),
        ["a call block around itself"] = ("{% macro m() %}{% call m() %}{% endcall %}{{ caller() }}{% endmacro %}{% call m() %}{% endcall %}", "inside each other|nested too deeply"),
        ["a recursive loop without end"] = ("{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}", "inside each other|nested too deeply"),
        ["a generator of a generator of a generator"] = ("{% set n = namespace(x=[1]) %}{% for i in range(50000) %}{% set n.x = n.x|map('string') %}{% endfor %}{{ n.x|list }}", "nested too deeply"),
        ["a selection of a selection of a selection"] = ("{% set n = namespace(x=[1]) %}{% for i in range(50000) %}{% set n.x = n.x|select|unique|batch(1) %}{% endfor %}{{ n.x|first }}", "nested too deeply"),
        ["a list 50,000 deep printed"] = ("{% set n = namespace(x=[]) %}{% for i in range(50000) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}", "inside each other"),
        ["lists 50,000 deep compared"] = ("{% set n = namespace(x=[], y=[]) %}{% for i in range(50000) %}{% set n.x = [n.x] %}{% set n.y = [n.y] %}{% endfor %}{{ n.x < n.y }}", "inside each other"),
        ["a list 50,000 deep as JSON"] = ("{% set n = namespace(x=[]) %}{% for i in range(50000) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x|tojson }}", "inside each other"),
        ["a list 50,000 deep pretty"] = ("{% set n = namespace(x=[]) %}{% for i in range(50000) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x|pprint }}", "inside each other"),
        ["a tuple 50,000 deep as a key"] = ("{% set n = namespace(x=()) %}{% for i in range(50000) %}{% set n.x = (n.x,) %}{% endfor %}{{ {n.x: 1} }}", "nested too deeply"),
        ["a namespace inside itself"] = ("{% set n = namespace() %}{% set n.n = n %}{{ n }}", "inside each other"),
        ["two namespaces inside each other"] = ("{% set a = namespace() %}{% set b = namespace(a=[a]) %}{% set a.b = {'x': b} %}{{ a }}", "inside each other"),
        ["parentheses"] = ("{{ " + Nested("(", "1", ")", 100_000) + " }}", "nested more than"),
        ["brackets"] = ("{{ " + Nested("[", "1", "]", 100_000) + " }}", "nested more than"),
        ["braces"] = ("{{ " + Nested("{1:", "1", "}", 100_000) + " }}", "nested more than"),
        ["subscripts"] = ("{{ " + Nested("a[", "1", "]", 100_000) + " }}", "nested more than"),
        ["calls"] = ("{{ " + Nested("a(", "1", ")", 100_000) + " }}", "nested more than"),
        ["signs"] = ("{{ " + Repeated("-", 100_000) + "1 }}", "nested more than"),
        ["nots"] = ("{{ " + Repeated("not ", 100_000) + "1 }}", "nested more than"),
        ["conditions in conditions"] = ("{{ " + Repeated("1 if 0 else ", 80_000) + "1 }}", "nested more than"),
        ["targets"] = ("{% set " + Nested("(", "a", ",)", 100_000) + " = 1 %}", "nested more than"),
        ["ifs"] = (Nested("{% if 1 %}", "x", "{% endif %}", 40_000), "nested more than"),
        ["fors"] = (Nested("{% for a in b %}", "x", "{% endfor %}", 30_000), "nested more than"),
        ["macros"] = (Nested("{% macro a() %}", "x", "{% endmacro %}", 30_000), "nested more than"),
        ["a sum of 200,000 terms"] = ("{{ 1" + Repeated(" + 1", 200_000) + " }}", "nested too deeply"),
        ["200,000 filters"] = ("{{ 1" + Repeated("|int", 200_000) + " }}", "nested too deeply"),
        ["200,000 attributes"] = ("{{ a" + Repeated(".b", 200_000) + " }}", "nested too deeply"),
        ["200,000 ands"] = ("{{ 1" + Repeated(" and 1", 150_000) + " }}", "nested too deeply"),
        ["a template of two million characters"] = (new string('x', 2_000_000), "longer than"),
    };

    public static TheoryData<string> EndlessOrHugeNames => [.. EndlessOrHuge.Keys];

    [Theory, MemberData(nameof(EndlessOrHugeNames))]
    public void A_template_without_bounds_is_refused(string name)
    {
        var (template, expected) = EndlessOrHuge[name];
        Outcome outcome = Render(template);
        output.WriteLine($"{outcome.Allocated >> 20} MB: {outcome.Message}");
        Assert.Null(outcome.Text);
        Assert.True(outcome.Allocated < 512 << 20, $"took {outcome.Allocated >> 20} MB");
        Assert.True(expected.Split('|').Any(part => outcome.Message.Contains(part, StringComparison.Ordinal)), outcome.Message);
    }

    /// <summary>Long, but well within the limits: what each takes must grow with its length, not with its square.</summary>
    private static readonly Dictionary<string, (string Template, string Expected)> Long = new()
    {
        ["elifs, each with names of its own"] = ("{% if 0 %}" + Numbered(i => $"{{% elif a{i} %}}", 60_000) + "{% endif %}", ""),
        ["ifs, each with names of its own"] = (Numbered(i => $"{{% if a{i} %}}{{% endif %}}", 40_000), ""),
        ["ifs, each storing a name"] = (Numbered(i => $"{{% if 0 %}}{{% set a{i}=1 %}}{{% endif %}}", 25_000), ""),
        ["inline ifs with filters"] = ("{% if 0 %}{{ " + Repeated("1|abs if ", 80_000) + "1 }}{% endif %}", ""),
        ["named arguments"] = ("{{ dict(" + Numbered(i => $"a{i}=1,", 80_000) + ")|length }}", "80000"),
        ["parameters"] = ("{% macro m(" + string.Join(',', Enumerable.Range(0, 100_000).Select(i => $"a{i}")) + ") %}{% endmacro %}{{ m.arguments|length }}", "100000"),
        ["a comparison"] = ("{{ 1" + Repeated(" < 2 > 1", 100_000) + " }}", "True"),
        ["a concatenation"] = ("{{ (1" + Repeated(" ~ 1", 200_000) + ")|length }}", "200001"),
        ["strings side by side"] = ("{{ (" + Repeated("'a' ", 200_000) + ")|length }}", "200000"),
        ["comments"] = (Repeated("{# x #}", 140_000), ""),
        ["raw blocks"] = (Repeated("{% raw %}{%{% endraw %}", 40_000), Repeated("{%", 40_000)),
        ["white space before tags"] = (Repeated("\n     {% if 1 %}{% endif %}", 35_000), "\n"),
        ["keys that share one place in a table"] = ("{% set n = namespace(p=[]) %}{% for i in range(30000) %}{% set n.p = n.p if i % 1000 else n.p + range(i, i + 1000)|list %}{% endfor %}{{ dict(n.p|map('string')|batch(2)|list)|length }}", "15000"),
        ["a dict passed on as names"] = ("{% set n = namespace(p=range(60000)|map('string')|batch(2)|list) %}{{ dict(**dict(n.p))|length }}", "30000"),
        ["stripped of 1,000,000 characters"] = ("{{ ('a' * 1000000 ~ 'b').strip('cd' * 500000 ~ 'a') }}", "b"),
        ["loop.length of filtered elements"] = ("{% for i in range(20000) if i > 19998 or i < 19998 %}{% if loop.first %}{{ loop.length }}{% endif %}{% endfor %}", "19999"),
        ["wrapped"] = ("{{ ('word ' * 50000)|wordwrap(20)|wordcount }}", "50000"),
        ["grouped digits"] = ("{{ '{:0100000,}'.format(1)|length }}", "100001"),
    };

    public static TheoryData<string> LongNames => [.. Long.Keys];

    [Theory, MemberData(nameof(LongNames))]
    public void A_long_template_is_read_and_rendered(string name)
    {
        Outcome outcome = Render(Long[name].Template);
        output.WriteLine($"{outcome.Allocated >> 20} MB: {outcome.Message}");
        Assert.True(outcome.Text is not null, outcome.Message);
        Assert.True(outcome.Allocated < 512 << 20, $"took {outcome.Allocated >> 20} MB"); // 500 bytes a character, where a square would be terabytes
        Assert.Equal(Long[name].Expected, outcome.Text.TrimEnd(' '));
    }

    /// <summary>Every filter, method and test on large values, again and again: each pays for what it touches.</summary>
    [Fact]
    public void Every_operation_pays_for_its_work_and_memory()
    {
        TemplateLimits limits = new() { Steps = 160_000, AllocatedBytes = 16 << 20 };
        const string Values = "{% set plain = 'ab c' * 25000 %}{% set accents = 'é ß' * 25000 %}{% set word = 'a' * 100000 %}{% set emoji = '😀' * 50000 %}"
            + "{% set list = range(20000)|list %}{% set big = 3 ** 5000 %}{% set digits = '1' * 4300 %}";
        List<string> free = [];
        int count = 0;
        foreach (var (value, units) in (ReadOnlySpan<(string, int)>)[("plain", 6250), ("accents", 4600), ("word", 6250), ("emoji", 6250), ("list", 20000), ("big", 100), ("digits", 260)])
        {
            foreach (string operation in Operations(value))
            {
                TurnCounter turns = new();
                Outcome outcome = Render(Values + ForEver("{{ turn() }}{% set x = " + operation + " %}"), limits, new() { ["turn"] = turns });
                Assert.Null(outcome.Text);
                Assert.True(outcome.Allocated < 160 << 20, $"{operation} took {outcome.Allocated >> 20} MB: {outcome.Message}");
                // A unit is what one step pays for: 16 characters, an element, 64 bits. Looking at a whole value costs a step for every 16 units at least.
                if (turns.Count > 16 * limits.Steps / units) free.Add(LookAtNoWholeValue.Contains(operation) ? operation : operation.Replace(value, "VALUE", StringComparison.Ordinal));
                count++;
            }
        }
        Assert.True(count > 600, $"only {count} operations were tried");
        Assert.All(free, operation => Assert.Contains(operation, LookAtNoWholeValue));
        Assert.Contains("VALUE|first", free);   // the count can tell
    }

    private static readonly HashSet<string> LookAtNoWholeValue =
    [
        "[VALUE, VALUE]", "VALUE is sameas(VALUE)", "VALUE[5]", "VALUE|attr('upper')", "VALUE|batch(3)", "VALUE|center", "VALUE|default", "VALUE|first", "VALUE|last", "VALUE|length",
        "VALUE|map('upper')", "VALUE|select", "VALUE|slice(3)", "VALUE|string", "VALUE|truncate", "VALUE|unique", "VALUE.removeprefix('a')", "VALUE.removesuffix('a')",
        "list|float", "list|int", "list|int(0,16)", "list|reverse",
    ];

    private sealed class TurnCounter : CallableValue
    {
        public int Count { get; private set; }

        internal override string TypeName => "function";

        public override TemplateValue Call(RenderContext context, Arguments arguments)
        {
            Count++;
            return StringValue.Empty;
        }

        internal override void AppendRepr(ReprWriter writer) => writer.Append("<function>");
    }

    private static IEnumerable<string> Operations(string value)
    {
        const string Filters = "string upper lower capitalize title trim replace('a','b') replace('','b') center indent truncate wordcount wordwrap wordwrap(3) format length first last "
            + "list sort unique groupby(0) reverse min max sum join join(',') batch(3) slice(3) map('upper') select int int(0,16) float abs round round(-9) filesizeformat escape safe "
            + "striptags urlencode default attr('upper') tojson tojson(indent=2) pprint";
        const string Methods = "upper() lower() title() capitalize() swapcase() casefold() strip() strip('bc') strip(plain) replace('a','b') replace(plain,'b') removeprefix('a') removesuffix('a') "
            + "center(200000) zfill(200000) expandtabs() join('ab') join(list|map('string')) format() format(1) format_map({}) startswith(plain) endswith((plain,word)) find('q') rfind('q') find(plain) "
            + "count('a') count('') split() rsplit() split('a') rsplit('a') splitlines() partition('q') rpartition('q') isalpha() isalnum() isdecimal() isdigit() isnumeric() isspace() isprintable() "
            + "isascii() islower() isupper() istitle() isidentifier()";
        const string Others = "VALUE is lower|VALUE is upper|VALUE is sameas(VALUE)|VALUE is divisibleby 7|VALUE in (VALUE ~ 'b')|VALUE == (VALUE ~ '')|VALUE ~ VALUE|VALUE + VALUE|VALUE * 2|VALUE % 7|"
            + "VALUE // 7|VALUE / (3 ** 4990)|VALUE[1:]|VALUE[::2]|VALUE[5]|{VALUE ~ '': 1}|{'a': 1}[VALUE ~ 'a']|'%s' % VALUE|'%x' % VALUE|'{}'.format(VALUE)|'{:,}'.format(VALUE)|[VALUE, VALUE]|(VALUE|escape) + '<'|VALUE < VALUE";
        string refused = value is "list" or "big" ? "" : Methods;
        return [.. Filters.Split(' ').Select(filter => $"{value}|{filter}"), .. refused.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(method => $"{value}.{method}"),
            .. Others.Split('|').Where(other => other.Length > 0).Select(other => other.Replace("VALUE", value, StringComparison.Ordinal))];
    }

    [Theory]
    [InlineData("''.__class__")]
    [InlineData("''.__class__.__mro__[1].__subclasses__()")]
    [InlineData("''['__class__']['__base__']")]
    [InlineData("''|attr('__class__')|attr('__base__')")]
    [InlineData("messages|attr('__init__')")]
    [InlineData("[messages]|map(attribute='__class__.__name__')|list|first|length")]
    [InlineData("range.__globals__")]
    [InlineData("namespace.__init__.__globals__['os']")]
    [InlineData("cycler.__init__.__globals__.os.popen('id').read()")]
    [InlineData("joiner().__class__")]
    [InlineData("raise_exception.__code__")]
    [InlineData("'{0.__class__.__init__.__globals__}'.format(messages)")]
    [InlineData("'{x.__class__}'.format(x=1)")]
    [InlineData("'{0.GetType}'.format(messages)")]
    [InlineData("'%(__class__)s' % messages[0]")]
    [InlineData("self.__init__")]
    [InlineData("self._TemplateReference__context")]
    [InlineData("messages.append(1)")]
    [InlineData("messages[0].update({'a': 1})")]
    [InlineData("messages[0].clear()")]
    [InlineData("messages.GetType()")]
    [InlineData("messages.Items")]
    [InlineData("messages.Count")]
    [InlineData("(1).GetHashCode()")]
    [InlineData("'x'.Text")]
    [InlineData("environ['PATH']")]
    [InlineData("open('/etc/passwd').read()")]
    [InlineData("__import__('os')")]
    [InlineData("eval('1')")]
    [InlineData("lipsum.__globals__")]
    [InlineData("loop.__class__")]
    [InlineData("config")]
    [InlineData("(messages|tojson).System")]
    public void Nothing_outside_the_input_is_reached(string expression)
    {
        var variables = Jinja.Variables("""{"messages": [{"role": "user", "content": "hi"}]}""");
        string before = Render("{{ messages }}", variables: variables).Text!;
        Outcome outcome = Render("{{ " + expression + " }}", variables: variables);
        Assert.True(outcome.Text is null or "" or "0", $"printed {outcome.Text}");
        Assert.Equal(before, Render("{{ messages }}", variables: variables).Text);
    }

    [Theory]
    [InlineData("{% include '/etc/passwd' %}")]
    [InlineData("{% import '/etc/passwd' as x %}")]
    [InlineData("{% from 'x' import y %}")]
    [InlineData("{% extends '/etc/passwd' %}")]
    [InlineData("{% set messages.x = 1 %}")]
    [InlineData("{% set messages[0] = 1 %}")]
    [InlineData("{% do messages.append(1) %}")]
    public void Tags_that_reach_outside_or_change_the_input_are_refused(string template)
        => Assert.Null(Render(template, variables: Jinja.Variables("""{"messages": [1]}""")).Text);

    [Fact]
    public void The_limits_leave_room_for_long_conversations()
    {
        string messages = string.Join(',', Enumerable.Range(0, 5_000).Select(i => $$"""{"role": "{{(i % 2 == 0 ? "user" : "assistant")}}", "content": "{{new string('a', 400)}}"}"""));
        ChatTemplate template = ChatTemplate.Load(Goldens.TinyModel);
        ChatRequest request = ChatRequest.Parse(System.Text.Encoding.UTF8.GetBytes($$"""{"messages": [{{messages}}]}"""));
        Assert.True(template.Render(request, cancellation: TestContext.Current.CancellationToken).Length > 5_000 * 400);
        // Negative control: the budgets are spent by such a conversation, only not used up.
        Assert.Throws<TemplateException>(() => template.Render(request, new TemplateLimits { Steps = 100_000 }, cancellation: TestContext.Current.CancellationToken));
        Assert.Throws<TemplateException>(() => template.Render(request, new TemplateLimits { AllocatedBytes = 1 << 20 }, cancellation: TestContext.Current.CancellationToken));
    }

    /// <summary>Parses and renders on a small stack; any exception but the typed one, and never ending, fails the test.</summary>
    private static Outcome Render(string template, TemplateLimits? limits = null, Dictionary<string, TemplateValue>? variables = null)
    {
        Outcome? outcome = null;
        Exception? escaped = null;
        Thread thread = new(() =>
        {
            try
            {
                string text = Template.Parse(template).Render(variables ?? [], limits);
                outcome = new Outcome(text, "", GC.GetAllocatedBytesForCurrentThread());
            }
            catch (TemplateException exception)
            {
                outcome = new Outcome(null, exception.Message, GC.GetAllocatedBytesForCurrentThread());
            }
            catch (Exception exception)
            {
                escaped = exception;
            }
        }, SmallStack)
        { IsBackground = true };
        thread.Start();
        if (!thread.Join(Endless)) Assert.Fail($"the template did not end within {Endless}");
        if (escaped is not null) Assert.Fail($"not a TemplateException: {escaped}");
        Assert.DoesNotContain(outcome!.Message, char.IsControl);
        return outcome;
    }
}
