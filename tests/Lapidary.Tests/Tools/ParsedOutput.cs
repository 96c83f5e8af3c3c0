using System.Text;
using System.Text.Json;
using Lapidary.Generation;
using Lapidary.Tokenizers;
using Lapidary.Tools;

namespace Lapidary.Tests.Tools;

/// <summary>An output as a client puts it together from the events, with the rules that every sequence of events keeps.</summary>
internal sealed record ParsedOutput(string Content, string Reasoning, IReadOnlyList<string> Calls, string Trace)
{
    /// <summary>Tools of the tests, with schemas where typing matters.</summary>
    public static readonly ToolDefinition[] Tools =
    [
        new("get_weather", Schema("""{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},"zip":{"type":"string"},"unit":{"type":["string","null"]},"deep":{"$ref":"#/$defs/deep"}},"$defs":{"deep":{"properties":{"code":{"type":"string"},"codes":{"type":"array","items":{"anyOf":[{"type":"string"},{"type":"null"}]}},"n":{"type":"number"},"on":{"type":"boolean"},"any":{}}}}}""")),
        new("f"), new("g"), new("bash"), new("exec"), new("fs.read_file"), new("get-time"), new("label"), new("set_date"),
    ];

    public static JsonElement Schema(string json) => JsonDocument.Parse(json).RootElement;

    public static ParsedOutput Of(
        string format, IEnumerable<string> pieces, string prompt = "", FinishReason end = FinishReason.Stop, IReadOnlyList<ToolDefinition>? tools = null, int maxCalls = int.MaxValue)
    {
        OutputParser parser = OutputFormats.Named(format).CreateParser(tokenizer: null, new OutputParserOptions { Tools = tools ?? Tools, Prompt = prompt, MaxToolCalls = maxCalls });
        List<OutputEvent> events = [];
        foreach (string piece in pieces) parser.Push(piece, events);
        parser.Finish(end, events);
        return Of(events, end);
    }

    /// <summary>From tokens: ids and the text that each completes.</summary>
    public static ParsedOutput Of(
        string format, Tokenizer tokenizer, IEnumerable<(int Id, string Text)> tokens, SpecialText special = SpecialText.Skip, FinishReason end = FinishReason.Stop, IReadOnlyList<ToolDefinition>? tools = null)
    {
        OutputParser parser = OutputFormats.Named(format).CreateParser(tokenizer, new OutputParserOptions { Tools = tools ?? Tools, SpecialText = special });
        List<OutputEvent> events = [];
        foreach ((int id, string text) in tokens) parser.Push(id, text, events);
        parser.Finish(end, events);
        return Of(events, end);
    }

    public static ParsedOutput Of(IReadOnlyList<OutputEvent> events, FinishReason end)
    {
        StringBuilder content = new(), reasoning = new(), trace = new();
        List<(string Id, string Name, StringBuilder Json)> calls = [];
        bool isOpen = false;
        string last = "";
        void Add(string kind, string text)
        {
            Assert.NotEmpty(text);
            Assert.False(char.IsHighSurrogate(text[^1]) || char.IsLowSurrogate(text[0]), $"{kind} tears a surrogate pair");
            if (kind != last) trace.Append('\n').Append(kind).Append(' ');
            trace.Append(text);
            last = kind;
        }
        foreach (OutputEvent step in events)
        {
            switch (step)
            {
                case ContentDelta delta:
                    Assert.False(isOpen);
                    content.Append(delta.Text);
                    Add("content", delta.Text);
                    break;
                case ReasoningDelta delta:
                    Assert.False(isOpen);
                    reasoning.Append(delta.Text);
                    Add("reasoning", delta.Text);
                    break;
                case ToolCallStart start:
                    Assert.False(isOpen);
                    Assert.Equal(calls.Count, start.Index);
                    Assert.DoesNotContain(calls, call => call.Id == start.Id);
                    calls.Add((start.Id, start.Name, new StringBuilder()));
                    Add($"call {start.Index}", start.Name);
                    isOpen = true;
                    break;
                case ToolCallArguments delta:
                    Assert.True(isOpen);
                    Assert.Equal(calls.Count - 1, delta.Index);
                    calls[^1].Json.Append(delta.Json);
                    Add("arguments", delta.Json);
                    break;
                case ToolCallEnd stop:
                    Assert.True(isOpen);
                    Assert.Equal(calls.Count - 1, stop.Index);
                    isOpen = false;
                    last = "";
                    if (end == FinishReason.Stop) Assert.Equal(JsonValueKind.Object, Schema(calls[^1].Json.ToString()).ValueKind);
                    break;
            }
        }
        Assert.False(isOpen);
        return new ParsedOutput(content.ToString(), reasoning.ToString(), [.. calls.Select(call => call.Name + call.Json)], trace.ToString());
    }

    /// <summary>Parses the text whole, cut in two at every place, and character by character, and expects the same events.</summary>
    public static ParsedOutput AtEverySplit(string format, string text, string prompt = "", FinishReason end = FinishReason.Stop)
    {
        ParsedOutput whole = Of(format, [text], prompt, end);
        for (int at = 1; at < text.Length; at++)
            Assert.Equal(whole.Trace, Of(format, [text[..at], text[at..]], prompt, end).Trace);
        Assert.Equal(whole.Trace, Of(format, text.Select(c => c.ToString()), prompt, end).Trace);
        return whole;
    }
}
