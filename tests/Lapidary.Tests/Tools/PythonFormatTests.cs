using Lapidary.Generation;

namespace Lapidary.Tests.Tools;

/// <summary>Python lists of calls, in LFM2's control tokens and bare, as vLLM's tests and bug reports know them, at every split.</summary>
public sealed class PythonFormatTests
{
    private const string Open = "<|tool_call_start|>", Close = "<|tool_call_end|>";

    /// <summary>The inside of the list, and the calls joined by a space.</summary>
    public static TheoryData<string, string> Calls() => new()
    {
        { "f(candidate_id='12345')", """f{"candidate_id":"12345"}""" },
        {
            "f(name='John Doe', age=37, address={'city': 'San Francisco', 'state': 'CA'}, role=None, passed_test=True, aliases=['John', 'Johnny'])",
            """f{"name":"John Doe","age":37,"address":{"city":"San Francisco","state":"CA"},"role":null,"passed_test":true,"aliases":["John","Johnny"]}"""
        },
        { "f()", "f{}" },
        { "f( )", "f{}" },
        { "f(data={})", """f{"data":{}}""" },
        { "f(steps=[])", """f{"steps":[]}""" },
        { "f(tags={'urgent', 'bug'})", """f{"tags":["urgent","bug"]}""" },
        { "f(tags={1})", """f{"tags":[1]}""" },
        { "f(month=07, day=05, zero=00, neg=-07)", """f{"month":7,"day":5,"zero":0,"neg":-7}""" },
        { "f(a=1_000, b=.5, c=108., d=1e5, e=-2.5, g=+3)", """f{"a":1000,"b":0.5,"c":108.0,"d":1e5,"e":-2.5,"g":3}""" },
        { "f(a=true, b=false, c=null)", """f{"a":true,"b":false,"c":null}""" },
        { "f(a=(1, 2), b=(), c=[(1,), [2]])", """f{"a":[1,2],"b":[],"c":[[1],[2]]}""" },
        { "f(a={1: 'x', True: 2, None: 3, 'k': {'n': [ {} ]}})", """f{"a":{"1":"x","True":2,"None":3,"k":{"n":[{}]}}}""" },
        { "f(a=[1, 2,], b={'x': 1,}, )", """f{"a":[1,2],"b":{"x":1}}""" },
        { "f( a = 1 , b = 'x' )", """f{"a":1,"b":"x"}""" },
        { "f(class='x', from=1, lambda=None)", """f{"class":"x","from":1,"lambda":null}""" },
        { "fs.read_file(path='a'), get-time()", """fs.read_file{"path":"a"} get-time{}""" },
        { "f(a=1), g(b='x'), f()", """f{"a":1} g{"b":"x"} f{}""" },
        { "f(a=1)g(b=2)", """f{"a":1} g{"b":2}""" },
        { "\n  f(\n    a=1,\n    b='x',\n  ),\n", """f{"a":1,"b":"x"}""" },

        // strings
        { """f(city='Martha\'s Vineyard', metric='\"cool units\"')""", """f{"city":"Martha's Vineyard","metric":"\"cool units\""}""" },
        { "f(a=\"it's\", b='say \"hi\"')", """f{"a":"it's","b":"say \"hi\""}""" },
        { "exec(command='grep -F \"]\" log.txt')", """exec{"command":"grep -F \"]\" log.txt"}""" },
        { "exec(command='cat > f.py << EOF\nimport csv\nprint(1)\nEOF')", """exec{"command":"cat > f.py << EOF\nimport csv\nprint(1)\nEOF"}""" },
        { "exec(command='printf a\0b')", """exec{"command":"printf a\u0000b"}""" },
        { @"f(a='\n\t\\\x41\u00e9\U0001F642\101\7z\q\,')", """f{"a":"\n\t\\Aé🙂A\u0007z\\q\\,"}""" },
        { @"f(a='\xZZ\u12\U00')", """f{"a":"\\xZZ\\u12\\U00"}""" },
        { "f(a='one \\\ntwo')", """f{"a":"one two"}""" },
        { @"f(a=r'\d+\'', b=u'x', c=R""\n"")", """f{"a":"\\d+\\'","b":"x","c":"\\n"}""" },
        { "f(a='''it's\n\"x\"''', b=\"\"\"y\"\"\")", """f{"a":"it's\n\"x\"","b":"y"}""" },
        { "f(a='', b=\"\", c=['', ''])", """f{"a":"","b":"","c":["",""]}""" },
        { "f(a='part one ' 'part two', b='x'\n 'y')", """f{"a":"part one part two","b":"xy"}""" },
        { "f(a='(', b='[', c='{', d=',', e=')]')", """f{"a":"(","b":"[","c":"{","d":",","e":")]"}""" },
        { "f(a='日本 🙂')", """f{"a":"日本 🙂"}""" },

        // quotes that the model forgot to escape
        { "bash(command='sed -n '360,450p' /testbed/common.py')", """bash{"command":"sed -n '360,450p' /testbed/common.py"}""" },
        {
            "bash(command='cd /testbed && python3 -c \"from sympy import latex\nprint(latex(3*x, mul_symbol='\\,'))\"')",
            """bash{"command":"cd /testbed && python3 -c \"from sympy import latex\nprint(latex(3*x, mul_symbol='\\,'))\""}"""
        },
        { "bash(command='echo 'a' 'b'')", """bash{"command":"echo 'a' 'b'"}""" },
        { "f(code='print('a')\nprint('b')')", """f{"code":"print('a')\nprint('b')"}""" },
        { "f(a=['it's', 'x'], b='y')", """f{"a":["it's","x"],"b":"y"}""" },
        { "f(a={'k': 'it's', 'l': 1})", """f{"a":{"k":"it's","l":1}}""" },
        { "f(a={'don't': 1})", """f{"a":{"don't":1}}""" },
        { "get_weather(city='print('a', end='')', days=1)", """get_weather{"city":"print('a', end='')","days":1}""" },

        // types of the schema
        { "get_weather(zip=01234, days='3', deep={'n': '1.5', 'codes': [1, None]})", """get_weather{"zip":"01234","days":3,"deep":{"n":1.5,"codes":["1",null]}}""" },
    };

    [Theory, MemberData(nameof(Calls))]
    public void Lists_of_calls_become_calls(string list, string calls)
    {
        foreach ((string format, string text) in ((string, string)[])[("lfm2", $"{Open}[{list}]{Close}"), ("lfm2", $"[{list}]"), ("pythonic", $"[{list}]"), ("pythonic", $"<|python_start|>[{list}]<|python_end|>")])
        {
            ParsedOutput parsed = ParsedOutput.AtEverySplit(format, text);
            Assert.Equal(calls, string.Join(' ', parsed.Calls));
            Assert.Equal("", parsed.Content);
        }
    }

    /// <summary>Output, content, reasoning, calls.</summary>
    public static TheoryData<string, string, string, string> Outputs() => new()
    {
        { "How can I help you today?", "How can I help you today?", "", "" },
        { $"Let me check. {Open}[f(a=1)]{Close}", "Let me check.", "", """f{"a":1}""" },
        { $"{Open}[f(a=1)]{Close}\nChecking the status.", "Checking the status.", "", """f{"a":1}""" },
        { $"Let me check. {Open}[f(a=1)]{Close}\nDone.", "Let me check.\nDone.", "", """f{"a":1}""" },
        { $"{Open} [f(a=1)] {Close}", "", "", """f{"a":1}""" },
        { $"{Open}f(a=1){Close}", "", "", """f{"a":1}""" },
        { $"{Open}[f(a=1)]{Close}{Open}[g()]{Close}", "", "", """f{"a":1} g{}""" },
        { $"{Open}[f(a=1)] [g()]{Close}", "", "", """f{"a":1} g{}""" },
        { $"{Open}[]{Close}", "", "", "" },
        { $"{Open}[ ]{Close}after", "after", "", "" },
        { $"{Open}[unknown.tool(a=1)]{Close}", "", "", """unknown.tool{"a":1}""" },

        // reasoning
        { $"<think>hm</think>{Open}[f()]{Close}", "", "hm", "f{}" },
        { "<think>\nhm\n</think>\n\nAnswer", "Answer", "hm", "" },
        { $"<think>hm {Open}[f()]{Close}", "", "hm", "f{}" },
        { "<think>hm <|tool_call_end|>more</think>x", "x", "hm more", "" },

        // a call that cannot be one does not take its siblings along
        { $"{Open}[f(a=1), bad(x=b'z')]{Close}", "bad(x=b'z')", "", """f{"a":1}""" },
        { $"{Open}[bad(x=b'z'), f(a=1)]{Close}", "bad(x=b'z')", "", """f{"a":1}""" },
        { $"{Open}[f(1), g(b=2), f(x=g(1)), g(a=1+2), f(a=b), g(*c)]{Close}", "f(1)\nf(x=g(1))g(a=1+2)f(a=b)g(*c)", "", """g{"b":2}""" },
        { $"{Open}[bad(x=b'z')]{Close}", "[bad(x=b'z')]", "", "" },
        { $"{Open}[bad(x=[1, f'{{y}}', 2], y=1)]{Close}x", "[bad(x=[1, f'{y}', 2], y=1)]x", "", "" },
        { $"{Open}[f(a=1), @@@]{Close}x", "@@@]x", "", """f{"a":1}""" },

        // no calls
        { $"{Open}hello world{Close} and", "hello world and", "", "" },
        { $"{Open}[hello world]{Close}", "[hello world]", "", "" },
        { $"{Open}{Close}x", "x", "", "" },
        { "[1, 2, 3] is a list", "[1, 2, 3] is a list", "", "" },
        { "[link](http://x.org)", "[link](http://x.org)", "", "" },
        { "[unknown(a=1)]", "[unknown(a=1)]", "", "" },
        { "[] [f", "[] [f", "", "" },
        { "see [f(a=1)]", "see [f(a=1)]", "", "" },

        // without the tokens
        { "Let me check.\n[f(a=1)]", "Let me check.", "", """f{"a":1}""" },
        { "[f(a=1)]\nDone.", "Done.", "", """f{"a":1}""" },
        { "[f(a='x')]\n[g()]", "", "", """f{"a":"x"} g{}""" },
        { $"[f(a='x')]{Close}", "", "", """f{"a":"x"}""" },

        // the list once more, with its closing token
        { $"{Open}[f(a='x')]{Close}[f(a='x')]{Close}", "", "", """f{"a":"x"}""" },
        { $"{Open}[f(a='x')]{Close}\n[f(a='x')]", "", "", """f{"a":"x"}""" },
        { $"{Open}[f(a='x')]{Close}[f(a='x')] it is", "[f(a='x')] it is", "", """f{"a":"x"}""" },
        { $"{Open}[f(a='x')]{Close}[1] it is", "[1] it is", "", """f{"a":"x"}""" },

        // ends too early
        { $"{Open}[f(a='x'{Close}", "", "", """f{"a":"x"}""" },
        { $"{Open}[f(a=1, b=[1, {{'c': 2", "", "", """f{"a":1,"b":[1,{"c":2}]}""" },
        { $"{Open}[f(a=1), g", "g", "", """f{"a":1}""" },
        { $"{Open}[f(a=", "[f(a=", "", "" },
        { $"{Open}[f(a='it's', b={{'takes the rest: 1}})]{Close}x", "[f(a='it's', b={'takes the rest: 1})]x", "", "" },
        { $"{Open}[f(a='{new string('x', 70)}', b={{'takes the rest: 1}})]{Close}x", "x", "", $$"""f{"a":"{{new string('x', 70)}}","b":["takes the rest: 1})]"]}""" },
        { $"{Open}[f(a='takes the rest{Close}x", "x", "", """f{"a":"takes the rest"}""" },
    };

    [Theory, MemberData(nameof(Outputs))]
    public void Outputs_are_told_apart(string output, string content, string reasoning, string calls)
    {
        ParsedOutput parsed = ParsedOutput.AtEverySplit("lfm2", output);
        Assert.Equal(content, parsed.Content);
        Assert.Equal(reasoning, parsed.Reasoning);
        Assert.Equal(calls, string.Join(' ', parsed.Calls));
    }

    [Fact]
    public void A_long_string_streams_and_a_short_call_comes_whole()
    {
        var parser = Lapidary.Tools.OutputFormats.Named("lfm2").CreateParser(null, new() { Tools = ParsedOutput.Tools });
        List<Lapidary.Tools.OutputEvent> events = [];
        parser.Push($"{Open}[f(a='short'", events);
        Assert.Empty(events);
        parser.Push("), g(b='" + new string('x', 65), events);
        Assert.Equal(2, events.OfType<Lapidary.Tools.ToolCallStart>().Count());
        Assert.EndsWith("xxx", events.OfType<Lapidary.Tools.ToolCallArguments>().Last().Json, StringComparison.Ordinal);
    }

    /// <summary>Once a call has gone out it must stay one: what is no literal in it becomes its source.</summary>
    [Fact]
    public void A_call_that_streams_keeps_what_is_no_literal_as_text()
    {
        string longText = new('x', 100);
        ParsedOutput parsed = ParsedOutput.AtEverySplit("lfm2", $"{Open}[f(a='{longText}', b=g(1, ')'), c={{d, 2}}, *e, h=[i+1], j={{k: 1}}), g()]{Close}");
        Assert.Equal(["""f{"a":"LONG","b":"g(1, ')')","c":["d",2],"h":["i+1"],"j":{"k":1}}""".Replace("LONG", longText, StringComparison.Ordinal), "g{}"], parsed.Calls);
        Assert.Equal("*e", parsed.Content); // no argument: text after the call
    }

    [Theory]
    [InlineData("[f(a=1, b='rm -rf /ho", """f{"a":1,"b":"rm -rf /ho""")]
    [InlineData("[f(a=1, b=12", """f{"a":1,"b":""")]
    public void An_output_cut_off_by_its_length_does_not_look_complete(string output, string call)
        => Assert.Equal([call], ParsedOutput.AtEverySplit("lfm2", Open + output, end: FinishReason.Length).Calls);

    [Theory]
    [InlineData("lfm2")]
    [InlineData("pythonic")]
    public void Without_tools_a_call_is_text(string format)
        => Assert.Equal("[f(a=1)]", ParsedOutput.Of(format, ["[f(a=1)]"], tools: []).Content);

    [Fact]
    public void A_prompt_that_opens_the_reasoning_is_continued()
        => Assert.Equal("hm", ParsedOutput.AtEverySplit("lfm2", "hm</think>x", prompt: "<|im_start|>assistant\n<think>\n").Reasoning);

    [Fact]
    public void Brackets_deeper_than_JSON_readers_take_do_no_harm()
    {
        foreach (string nest in (string[])["[", "(", "{", "{'a':", "[{", "{("])
            foreach (string end in (string[])["", $"]){Close}"])
                _ = ParsedOutput.Of("lfm2", [$"{Open}[f(s='{new string('x', 99)}', a={string.Concat(Enumerable.Repeat(nest, 1000))}{end}"]);
    }
}
