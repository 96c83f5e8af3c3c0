using Lapidary.Generation;

namespace Lapidary.Tests.Tools;

/// <summary>Every family of outputs that vLLM's and llama.cpp's tests know of Gemma 4, and each leniency, at every split.</summary>
public sealed class Gemma4FormatTests
{
    private const string Q = "<|\"|>", Open = "<|tool_call>", Close = "<tool_call|>";

    /// <summary>Arguments as the model writes them, and as JSON.</summary>
    public static TheoryData<string, string> Arguments() => new()
    {
        { "", "{}" },
        { "   ", "{}" },
        { $"location:{Q}Paris{Q}", """{"location":"Paris"}""" },
        { $"location:{Q}Paris, France{Q}", """{"location":"Paris, France"}""" },
        { $"location:{Q}San Francisco{Q},unit:{Q}celsius{Q}", """{"location":"San Francisco","unit":"celsius"}""" },
        { "count:42", """{"count":42}""" },
        { "score:3.14", """{"score":3.14}""" },
        { "a:-1,b:-0.5,c:1e3,d:-2.5E-7,e:+5", """{"a":-1,"b":-0.5,"c":1e3,"d":-2.5E-7,"e":5}""" },
        { "left:108.,right:22.8,top:.5,n:007", """{"left":108.0,"right":22.8,"top":0.5,"n":7}""" },
        { "flag:true,off:false,T:True,F:FALSE", """{"flag":true,"off":false,"T":true,"F":false}""" },
        { "a:null,b:None,c:nil,d:NULL", """{"a":null,"b":null,"c":null,"d":null}""" },
        { $"name:{Q}test{Q},count:42,active:true,score:3.14", """{"name":"test","count":42,"active":true,"score":3.14}""" },
        { $"nested:{{inner:{Q}value{Q}}}", """{"nested":{"inner":"value"}}""" },
        { $"record_map:{{{Q}3{Q}:{Q}new text{Q}}}", """{"record_map":{"3":"new text"}}""" },
        { $"outer:{{inner:{{{Q}3{Q}:{Q}new{Q}}}}}", """{"outer":{"inner":{"3":"new"}}}""" },
        { $"items:[{Q}a{Q},{Q}b{Q}]", """{"items":["a","b"]}""" },
        { "items:[42,true,3.14,null]", """{"items":[42,true,3.14,null]}""" },
        { "items:[]", """{"items":[]}""" },
        { "o:{},p:1", """{"o":{},"p":1}""" },
        { $"items:[[{Q}a]b{Q},{Q}c{Q}],{Q}tail{Q}]", """{"items":[["a]b","c"],"tail"]}""" },
        { $"list:[{{a:1}},{{a:2,b:[{{}}]}}]", """{"list":[{"a":1},{"a":2,"b":[{}]}]}""" },
        { $"s:{Q}braces }} ] {{ [ , : inside{Q}", """{"s":"braces } ] { [ , : inside"}""" },
        { $"s:{Q}quote \" backslash \\ line\nend\ttab\u0001{Q}", """{"s":"quote \" backslash \\ line\nend\ttab\u0001"}""" },
        { $"s:{Q}{Q}", """{"s":""}""" },
        { $"s:{Q}日本 🙂 é{Q}", """{"s":"日本 🙂 é"}""" },
        { $"html:{Q}<!DOCTYPE html>\n<html lang=\"zh-CN\"><|x|><{Q}", """{"html":"<!DOCTYPE html>\n<html lang=\"zh-CN\"><|x|><"}""" },
        { "city:New York,n:1", """{"city":"New York","n":1}""" },
        { "at:10:30,url:http://x.org/a?b=c", """{"at":"10:30","url":"http://x.org/a?b=c"}""" },
        { "a: 1 , b : true", """{"a":1,"b":true}""" },
        { "\n  a: 1,\n  b: [ 1 , 2 ]\n", """{"a":1,"b":[1,2]}""" },
        { $"a: {Q}x{Q} ", """{"a":"x"}""" },
        { "key:", """{"key":""}""" },
        { "key:,b:1", """{"key":"","b":1}""" },
        { "key", """{"key":""}""" },
        { "a:1,", """{"a":1}""" },
        { ",,a:1,,b:2", """{"a":1,"b":2}""" },
        { "a:[1,,2,]", """{"a":[1,2]}""" },
        { $"a:[1{Q}x{Q}]", """{"a":[1,"x"]}""" },
        { $"a{Q}x{Q},{Q}b{Q} {Q}y{Q}", """{"a":"x","b":"y"}""" },
        { $"{Q}a{Q}b:1", """{"ab":1}""" },
        { $"a:{Q}x{Q} b:1", """{"a":"x","b":1}""" },
        { "\"a\":1,\"b c\":\"x, y} \\\" z\"", """{"a":1,"b c":"x, y} \" z"}""" },
        { "a:-,b:1.2.3,c:1e,d:0x10,e:NaN,f:1_0", """{"a":"-","b":"1.2.3","c":"1e","d":"0x10","e":"NaN","f":"1_0"}""" },
    };

    [Theory, MemberData(nameof(Arguments))]
    public void Arguments_become_JSON(string arguments, string json)
    {
        ParsedOutput closed = ParsedOutput.AtEverySplit("gemma4", $"{Open}call:f{{{arguments}}}{Close}");
        Assert.Equal(["f" + json], closed.Calls);
        Assert.Equal("", closed.Content);
        Assert.Equal(["f" + json], ParsedOutput.AtEverySplit("gemma4", $"{Open}call:f({arguments}){Close}").Calls);
        Assert.Equal(["f" + json], ParsedOutput.AtEverySplit("gemma4", $"{Open}call:f{{{arguments}").Calls);
    }

    /// <summary>With a schema: city and zip are strings, days an integer, unit a string or null, deep a reference.</summary>
    public static TheoryData<string, string> Typed() => new()
    {
        { "zip:01234", """{"zip":"01234"}""" },
        { "city:true", """{"city":"true"}""" },
        { "city:none", """{"city":"none"}""" },
        { "city:null", """{"city":null}""" },
        { "unit:none", """{"unit":null}""" },
        { "unit:5", """{"unit":"5"}""" },
        { $"days:{Q}3{Q}", """{"days":3}""" },
        { $"days:{Q}three{Q}", """{"days":"three"}""" },
        { "days:3", """{"days":3}""" },
        { $"zip:{Q}123{Q}", """{"zip":"123"}""" },
        { "deep:{code:7,codes:[1,null,none],n:8,on:yes}", """{"deep":{"code":"7","codes":["1",null,null],"n":8,"on":"yes"}}""" },
        { $"deep:{{n:{Q}1.50{Q},on:{Q}True{Q},any:{Q}1{Q}}}", """{"deep":{"n":1.50,"on":true,"any":"1"}}""" },
        { "other:01", """{"other":1}""" },
    };

    [Theory, MemberData(nameof(Typed))]
    public void The_schema_of_the_tool_decides_what_a_bare_word_is(string arguments, string json)
        => Assert.Equal(["get_weather" + json], ParsedOutput.AtEverySplit("gemma4", $"{Open}call:get_weather{{{arguments}}}{Close}").Calls);

    /// <summary>Output, content, reasoning, calls joined by a space.</summary>
    public static TheoryData<string, string, string, string> Outputs() => new()
    {
        { "Hello, how can I help?", "Hello, how can I help?", "", "" },
        { "  spaces stay \n", "  spaces stay \n", "", "" },
        { $"Let me check. {Open}call:f{{a:1}}{Close}", "Let me check.", "", """f{"a":1}""" },
        { $"{Open}call:f{{a:1}}{Close}{Open}call:g{{}}{Close}", "", "", """f{"a":1} g{}""" },
        { $"{Open}call:f{{a:1}}{Close}\n{Open}call:g{{}}{Close}\n", "", "", """f{"a":1} g{}""" },
        { $"{Open}call:f{{a:1}}{Close}<div>", "<div>", "", """f{"a":1}""" },
        { $"a {Open}call:f{{}}{Close} b", "a\nb", "", "f{}" },
        { $"{Open}call:get-time{{}}{Close}{Open}call:fs.read_file{{}}{Close}", "", "", "get-time{} fs.read_file{}" },
        { $"{Open}call:unknown_tool{{a:1}}{Close}", "", "", """unknown_tool{"a":1}""" },

        // reasoning
        { "<|channel>thought\nI think.\n<channel|>Answer", "Answer", "I think.", "" },
        { "<|channel>thought\n<channel|>Answer", "Answer", "", "" },
        { "<|channel>thought<channel|>Answer", "Answer", "", "" },
        { "<|channel>I think<channel|>Answer", "Answer", "I think", "" },
        { "<|channel>thoughtful<channel|>Answer", "Answer", "thoughtful", "" },
        { $"<|channel>thought\nhm<channel|>{Open}call:f{{}}{Close}", "", "hm", "f{}" },
        { $"<|channel>thought\nhm{Open}call:f{{}}{Close}", "", "hm", "f{}" },
        { "<|channel><|channel>thought\nhm<channel|>x", "x", "hm", "" },
        { "<|channel>thought\na<|channel>thought\nb<channel|>x", "x", "a\nb", "" },
        { "<|channel>thought\nhm<channel|><channel|>x<channel|>", "x", "hm", "" },
        { "<|channel>thought\nhm<channel|>x<|channel>thought\n<channel|>", "x", "hm", "" },
        { "<|channel>thought\nnever closed", "", "never closed", "" },
        { "thought\nhm<channel|>x", "x", "hm", "" },
        { "thought<channel|>x", "x", "", "" },
        { "thoughts are free", "thoughts are free", "", "" },
        { "thought", "thought", "", "" },
        { "<channel|>x", "x", "", "" },

        // calls without their token
        { "call:f{a:1}", "", "", """f{"a":1}""" },
        { "<|channel>thought\nhm\n<channel|>call:f{a:1}", "", "hm", """f{"a":1}""" },
        { "some prose\ncall:f{a:1}", "some prose", "", """f{"a":1}""" },
        { "some prose: call:f{a:1}", "some prose:", "", """f{"a":1}""" },
        { "call:f{a:1}call:g{}", "", "", """f{"a":1} g{}""" },
        { "call:f(a:1) done", "done", "", """f{"a":1}""" },
        { "<|channel>thought\nhm\ncall:f{a:1}", "", "hm", """f{"a":1}""" },
        { "<|channel>thought\nI will call:f{a:1} then\n<channel|>x", "x", "I will call:f{a:1} then", "" },
        { "call:unknown{a:1}", "call:unknown{a:1}", "", "" },
        { "call:f and call:", "call:f and call:", "", "" },
        { "recall:f{a:1}", "recall:f{a:1}", "", "" },
        { "call: f{a:1}", "call: f{a:1}", "", "" },

        // the head of a call
        { $"{Open}:call:f{{a:1}}{Close}", "", "", """f{"a":1}""" },
        { $"{Open}:f{{a:1}}{Close}", "", "", """f{"a":1}""" },
        { $"{Open}f{{a:1}}{Close}", "", "", """f{"a":1}""" },
        { $"{Open} call: f {{a:1}}{Close}", "", "", """f{"a":1}""" },
        { $"{Open}call:f{Close}", "", "", "f{}" },
        { $"{Open}{Open}call:f{{}}{Close}", "", "", "f{}" },
        { $"{Open}call:f(a=1, b={Q}x{Q}){Close}", "", "", """f{"a":1,"b":"x"}""" },
        { $"{Open}call:f{{a:1}})}}{Close}", "", "", """f{"a":1}""" },

        // the end of a call
        { $"{Open}call:f{{a:{Q}x{Q}}}<turn|>", "", "", """f{"a":"x"}""" },
        { $"{Open}call:f{{a:1}}<|tool_response>", "", "", """f{"a":1}""" },
        { $"{Open}call:f{{a:1", "", "", """f{"a":1}""" },
        { $"{Open}call:f{{a:{Q}takes the rest", "", "", """f{"a":"takes the rest"}""" },
        { $"{Open}call:f{{a:{Q}takes}}{Close}more", "more", "", """f{"a":"takes}"}""" },
        { $"{Open}call:f{{a:1{Open}call:g{{}}{Close}", "", "", """f{"a":1} g{}""" },
        { $"{Open}call:f{{a:[1,2}}{Close}", "", "", """f{"a":[1,2]}""" },
        { $"{Open}call:f{{a:[1,2{Close}", "", "", """f{"a":[1,2]}""" },
        { $"{Open}call:f{{a:{{b:{{c:1{Close}", "", "", """f{"a":{"b":{"c":1}}}""" },
        { $"{Open}call:f{{:[t:[]{Close}", "", "", """f{"":["t:["]}""" },
        { $"{Open}call:f{{a:1,{Q}b{Q}{Close}", "", "", """f{"a":1,"b":""}""" },
        { $"{Open}call:f{{a:1<channel|>}}{Close}", "", "", """f{"a":1}""" },
        { $"{Open}call:f{{a:{Q}<|channel> and {Open} are tokens{Q}}}{Close}", "", "", $$"""f{"a":"<|channel> and {{Open}} are tokens"}""" },

        // no call
        { $"{Open}what is this{Close} then", "what is this then", "", "" },
        { $"{Open}call:?{{a:1}}{Close}", "call:?{a:1}", "", "" },
        { $"{Open}{Close}x", "x", "", "" },
        { $"{Open}call:f", "call:f", "", "" },
        { "a <|tool_cal not a token <chan", "a <|tool_cal not a token <chan", "", "" },
    };

    [Theory, MemberData(nameof(Outputs))]
    public void Outputs_are_told_apart(string output, string content, string reasoning, string calls)
    {
        ParsedOutput parsed = ParsedOutput.AtEverySplit("gemma4", output);
        Assert.Equal(content, parsed.Content);
        Assert.Equal(reasoning, parsed.Reasoning);
        Assert.Equal(calls, string.Join(' ', parsed.Calls));
    }

    [Theory]
    [InlineData("<|turn>model\n<|channel>thought\n", "hm<channel|>x", "hm", "x")]
    [InlineData("<|turn>model\n<|channel>thought\n", "<|channel>thought\nhm<channel|>x", "hm", "x")]
    [InlineData("<|tool_response>response:f{}<tool_response|><|channel>", "thought\nhm<channel|>x", "hm", "x")]
    [InlineData("<|turn>model\n<|channel>thought\n<channel|>", "x", "", "x")]
    [InlineData("<|channel>thought\nold<channel|><turn|>\n<|turn>model\n", "x", "", "x")]
    [InlineData("<|turn>user\n<|channel><turn|>\n<|turn>model\n", "x", "", "x")]
    [InlineData("<|channel>thought\nhm<|tool_call>call:f{}<tool_call|><|tool_response>response:f{}<tool_response|>", "x", "", "x")]
    public void The_end_of_the_prompt_tells_where_the_model_goes_on(string prompt, string output, string reasoning, string content)
    {
        ParsedOutput parsed = ParsedOutput.AtEverySplit("gemma4", output, prompt);
        Assert.Equal(reasoning, parsed.Reasoning);
        Assert.Equal(content, parsed.Content);
    }

    [Theory]
    [InlineData("call:f{a:1,b:12", """f{"a":1,"b":""")]
    [InlineData("call:f{a:<|\"|>rm -rf /ho", """f{"a":"rm -rf /ho""")]
    [InlineData("call:f{a:[1", """f{"a":[""")]
    [InlineData("call:f{", "f{")]
    public void An_output_cut_off_by_its_length_does_not_look_complete(string output, string call)
        => Assert.Equal([call], ParsedOutput.AtEverySplit("gemma4", Open + output, end: FinishReason.Length).Calls);

    [Fact]
    public void Without_tools_a_call_is_text()
    {
        ParsedOutput parsed = ParsedOutput.Of("gemma4", [$"<|channel>thought\nhm<channel|>{Open}call:f{{a:{Q}x{Q}}}{Close} call:f{{}}"], tools: []);
        Assert.Equal("call:f{a:x} call:f{}", parsed.Content);
        Assert.Equal("hm", parsed.Reasoning);
        Assert.Empty(parsed.Calls);
    }

    [Fact]
    public void Calls_beyond_the_limit_are_dropped()
    {
        string two = $"a{Open}call:f{{a:1}}{Close}{Open}call:g{{}}{Close}b";
        ParsedOutput parsed = ParsedOutput.Of("gemma4", [two], maxCalls: 1);
        Assert.Equal(["""f{"a":1}"""], parsed.Calls);
        Assert.Equal("a\nb", parsed.Content);
        Assert.Equal(2, ParsedOutput.Of("gemma4", [two]).Calls.Count);
    }

    [Fact]
    public void A_string_streams_while_it_comes_and_a_bare_word_when_it_is_complete()
    {
        var parser = Lapidary.Tools.OutputFormats.Named("gemma4").CreateParser(null, new() { Tools = ParsedOutput.Tools });
        List<Lapidary.Tools.OutputEvent> events = [];
        void Push(string text, string trace)
        {
            events.Clear();
            parser.Push(text, events);
            Assert.Equal(trace, string.Join(' ', events.Select(e => e switch
            {
                Lapidary.Tools.ToolCallStart start => start.Name,
                Lapidary.Tools.ToolCallArguments arguments => arguments.Json,
                _ => "end",
            })));
        }
        Push($"{Open}call:f", "");
        Push("{", "f {");
        Push("a:", "\"a\":");
        Push($"{Q}Buy mi", "\"Buy mi");
        Push("lk<|", "lk");
        Push("\"|", "");
        Push(">,b:4", "\",\"b\":");
        Push("2", "");
        Push("}", "42} end");
    }

    [Fact]
    public void Brackets_deeper_than_JSON_readers_take_are_text()
    {
        ParsedOutput parsed = ParsedOutput.Of("gemma4", [$"{Open}call:f{{a:{new string('[', 1000)}1{new string(']', 1000)}}}{Close}"]);
        Assert.Single(parsed.Calls);
        Assert.Single(ParsedOutput.Of("gemma4", [$"{Open}call:f{{{string.Concat(Enumerable.Repeat("a:{", 1000))}"]).Calls);
    }
}
