using Lapidary.Generation;

namespace Lapidary.Tests.Tools;

/// <summary>Calls as JSON: between Hermes' tags and bare as Llama writes them, at every split.</summary>
public sealed class JsonFormatTests
{
    private const string Open = "<tool_call>", Close = "</tool_call>";

    /// <summary>One call object, and the call.</summary>
    public static TheoryData<string, string> Calls() => new()
    {
        { """{"name": "f", "arguments": {"city": "Paris", "n": 1}}""", """f{"city":"Paris","n":1}""" },
        { """{"name":"f","arguments":{}}""", "f{}" },
        { """{"name":"f"}""", "f{}" },
        { """{"name":"f","arguments":null}""", "f{}" },
        { """{"name":"f","parameters":{"a":[1,{"b":null}],"c":true,"d":false,"e":-1.5e3}}""", """f{"a":[1,{"b":null}],"c":true,"d":false,"e":-1.5e3}""" },
        { """{"arguments":{"a":1},"name":"f"}""", """f{"a":1}""" },
        { """{"type":"function","name":"f","id":7,"arguments":{"a":1},"more":[1]}""", """f{"a":1}""" },
        { """{"name":"f","arguments":"{\"a\": \"x\\n\"}"}""", """f{"a":"x\n"}""" },
        { """{"name":"f","arguments":""}""", "f{}" },
        { "\n{\n  \"name\": \"f\",\n  \"arguments\": {\n    \"a\": 1\n  }\n}\n", """f{"a":1}""" },
        { """{"name":"f","arguments":{"s":"quote \" slash \\ \/ \u00e9 \ud83d\ude42 } ] <"}}""", """f{"s":"quote \" slash \\ / é 🙂 } ] <"}""" },
        { """{"name":"fs.read_file","arguments":{"name":"g","arguments":{"a":1}}}""", """fs.read_file{"name":"g","arguments":{"a":1}}""" },

        // repairs
        { "{\"name\":\"f\",\"arguments\":{\"s\":\"line\nend\ttab\0\"}}", """f{"s":"line\nend\ttab\u0000"}""" },
        { """{'name': 'f', 'arguments': {'a': True, 'b': None, 'c': 'it"s', 'd': 007, 'e': 1.}}""", """f{"a":true,"b":null,"c":"it\"s","d":7,"e":1.0}""" },
        { """{"name":"f","arguments":{"a":1,,"b":[1,2,],},}""", """f{"a":1,"b":[1,2]}""" },
        { """{"name":"f","arguments":{"a":1 "b":[1 2]}}""", """f{"a":1,"b":[1,2]}""" },
        { """{"name":"f","arguments":{"re":"\d+\q\u12"}}""", """f{"re":"\\d+\\q\\u12"}""" },
        { """{"name":"f","arguments":{"s":"\ud83d lone"}}""", """f{"s":"� lone"}""" },
    };

    [Theory, MemberData(nameof(Calls))]
    public void Objects_become_calls(string json, string call)
    {
        foreach ((string format, string text) in ((string, string)[])
            [("hermes", Open + json + Close), ("hermes", json), ("llama3_json", json), ("llama3_json", "<|python_tag|>" + json), ("llama3_json", $"[{json}]")])
        {
            ParsedOutput parsed = ParsedOutput.AtEverySplit(format, text);
            Assert.Equal([call], parsed.Calls);
            Assert.Equal("", parsed.Content.Trim());
        }
    }

    private const string F = """{"name":"f","arguments":{"a":1}}""", G = """{"name":"g","arguments":{}}""";

    /// <summary>Format, output, content, reasoning, calls.</summary>
    public static TheoryData<string, string, string, string, string> Outputs() => new()
    {
        { "hermes", "How can I help?", "How can I help?", "", "" },
        { "hermes", $"Let me check.\n{Open}\n{F}\n{Close}", "Let me check.", "", """f{"a":1}""" },
        { "hermes", $"{Open}{F}{Close}\n{Open}{G}{Close}", "", "", """f{"a":1} g{}""" },
        { "hermes", $"{Open}{F}\n{G}{Close}", "", "", """f{"a":1} g{}""" },
        { "hermes", $"{Open}[{F}, {G}]{Close}", "", "", """f{"a":1} g{}""" },
        { "hermes", $"{Open}{F}{Close}Done.", "Done.", "", """f{"a":1}""" },
        { "hermes", $"<think>\nhm\n</think>\n\n{Open}{F}{Close}", "", "hm", """f{"a":1}""" },
        { "hermes", $"<think>hm{Open}{F}{Close}", "", "hm", """f{"a":1}""" },
        { "hermes", "hm</think>x", "hm\nx", "", "" },
        { "hermes", Open + """{"name":"any","arguments":{}}""" + Close, "", "", "any{}" },
        { "hermes", $"{Open}{F}{Open}{G}{Close}", "", "", """f{"a":1} g{}""" },
        { "hermes", Open + """{"name":"f","arguments":{"s":"<think> </think>"}}""" + Close, "", "", """f{"s":"<think> </think>"}""" },

        // ends too early
        { "hermes", $"{Open}{F}", "", "", """f{"a":1}""" },
        { "hermes", Open + """{"name":"f","arguments":{"a":1,"b":[1,{"c":"takes the rest""", "", "", """f{"a":1,"b":[1,{"c":"takes the rest"}]}""" },
        { "hermes", Open + """{"name":"f","arguments":{"a":1,"b":""" + Close + "x", "x", "", """f{"a":1,"b":null}""" },
        { "hermes", Open + """{"name":"f","arguments":{"a""" + Close, "", "", """f{"a":null}""" },
        { "hermes", Open + "{\"name\":\"f\"" + Close, "", "", "f{}" },

        // no calls: the tags are text then
        { "hermes", $"{Open}what{Close} is", $"{Open}what{Close} is", "", "" },
        { "hermes", Open + """{"nam":"f"}""" + Close, Open + """{"nam":"f"}""" + Close, "", "" },
        { "hermes", Open + """{"name":7}""" + Close, Open + """{"name":7}""" + Close, "", "" },
        { "hermes", Open + """{"name":"f","arguments":[1]}""" + Close, Open + """{"name":"f","arguments":[1]}""" + Close, "", "" },
        { "hermes", Open + """{"name":"f","arguments":"x"}""" + Close, Open + """{"name":"f","arguments":"x"}""" + Close, "", "" },
        { "hermes", Open + """{"name":"f" "arguments":{}}""" + Close, Open + """{"name":"f" "arguments":{}}""" + Close, "", "" },
        { "hermes", $"{Open}{{\"name\":\"f\"", "", "", "f{}" },
        { "hermes", $"{Open}{Close}", $"{Open}{Close}", "", "" },
        { "hermes", "</tool_call>x", "</tool_call>x", "", "" },
        { "hermes", """{"city": "Paris", "name": "f"}""", """{"city": "Paris", "name": "f"}""", "", "" },
        { "hermes", """{"name": "Paris"}""", """{"name": "Paris"}""", "", "" },
        { "hermes", "a {\"name\": \"f\"}", "a {\"name\": \"f\"}", "", "" },
        { "hermes", "{ no", "{ no", "", "" },
        { "hermes", Open + """{"name":"f","arguments":{"a":@}}""" + Close + "x", "x", "", """f{"a":"@"}""" },
        { "hermes", Open + """{"name":"f","arguments":{"a":b c, "d" 1}}""" + Close + "x", "c, \"d\" 1}}x", "", """f{"a":"b"}""" },
        { "hermes", Open + """{"name":"f","args":{"a":1}}""" + Close, Open + """{"name":"f","args":{"a":1}}""" + Close, "", "" },

        { "hermes", """{"name":"f","arguments":{"a":1,"b"🙂}} x""", "🙂}} x", "", """f{"a":1,"b":null}""" },

        { "llama3_json", $"{F}; {G}", "", "", """f{"a":1} g{}""" },
        { "llama3_json", $"[{F}, {G}]", "", "", """f{"a":1} g{}""" },
        { "llama3_json", $"Sure.\n{F}\nDone.", "Sure.\nDone.", "", """f{"a":1}""" },
        { "llama3_json", $"<|python_tag|>{F}; {G}", "", "", """f{"a":1} g{}""" },
        { "llama3_json", "[1, 2]", "[1, 2]", "", "" },
        { "llama3_json", "[]", "[]", "", "" },
        { "llama3_json", "<|python_tag|>print(1)", "print(1)", "", "" },
        { "none", $"{Open}{F}{Close}", $"{Open}{F}{Close}", "", "" },
    };

    [Theory, MemberData(nameof(Outputs))]
    public void Outputs_are_told_apart(string format, string output, string content, string reasoning, string calls)
    {
        ParsedOutput parsed = ParsedOutput.AtEverySplit(format, output);
        Assert.Equal(content, parsed.Content);
        Assert.Equal(reasoning, parsed.Reasoning);
        Assert.Equal(calls, string.Join(' ', parsed.Calls));
    }

    [Fact]
    public void An_answer_that_is_JSON_streams()
    {
        var parser = Lapidary.Tools.OutputFormats.Named("hermes").CreateParser(null, new() { Tools = ParsedOutput.Tools });
        List<Lapidary.Tools.OutputEvent> events = [];
        parser.Push("{\"city\":", events);
        Assert.Equal([new Lapidary.Tools.ContentDelta("{\"city\":")], events);
    }

    [Fact]
    public void Arguments_stream_once_the_name_is_known()
    {
        var parser = Lapidary.Tools.OutputFormats.Named("hermes").CreateParser(null, new() { Tools = ParsedOutput.Tools });
        List<Lapidary.Tools.OutputEvent> events = [];
        parser.Push(Open + """{"name":"f","arguments":{"a":"be""", events);
        Assert.Equal("""{"a":"be""", string.Concat(events.OfType<Lapidary.Tools.ToolCallArguments>().Select(e => e.Json)));
    }

    [Fact]
    public void An_output_cut_off_by_its_length_does_not_look_complete()
        => Assert.Equal(["""f{"a":1,"b":"x"""], ParsedOutput.AtEverySplit("hermes", Open + """{"name":"f","arguments":{"a":1,"b":"x""", end: FinishReason.Length).Calls);
}
