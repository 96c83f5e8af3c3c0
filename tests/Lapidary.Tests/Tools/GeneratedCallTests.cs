using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using CsCheck;

namespace Lapidary.Tests.Tools;

/// <summary>Random calls, printed as a model would write them and parsed back from random pieces, give the calls again.</summary>
public sealed class GeneratedCallTests
{
    private static readonly string[] Formats = ["gemma4", "lfm2", "pythonic", "hermes", "llama3_json"];

    internal static Gen<string> OneOf(params string[] choices) => Gen.Int[0, choices.Length - 1].Select(i => choices[i]);

    private static readonly Gen<string> Text = Gen.OneOf(
        Gen.Char["abc XYZ019_"].Array[0, 12].Select(c => new string(c)),
        Gen.Char["ab {}[]()<>|,:;=\"'\\/\n\r\t\0é日\u2028"].Array[0, 20].Select(c => new string(c)),
        OneOf("🙂", "', b='", "\"}]", "'))]", "call:f{", "<|tool_", "null", "True", "012", "<think", " x ", "\\u0041", "\\", "'"));

    private static readonly Gen<string> Name = OneOf("a", "b_2", "class", "Zeta", "thing");

    private static readonly Gen<JsonNode?> Scalar = Gen.OneOf(
        Text.Select(text => (JsonNode?)text),
        Gen.Int[-5000, 5000].Select(n => (JsonNode?)n),
        Gen.Double[-1e6, 1e6].Select(n => JsonNode.Parse(n.ToString("R", CultureInfo.InvariantCulture))),
        Gen.Bool.Select(b => (JsonNode?)b),
        Gen.Const((JsonNode?)null));

    private static Gen<JsonNode?> Value(int depth)
    {
        if (depth == 0) return Scalar;
        Gen<JsonNode?> array = Value(depth - 1).Array[0, 3].Select(items => (JsonNode?)new JsonArray([.. items.Select(item => item?.DeepClone())]));
        Gen<JsonNode?> map = Gen.Select(Text, Value(depth - 1)).Array[0, 3].Select(pairs => (JsonNode?)Object(pairs));
        return Gen.Frequency((3, Scalar), (1, array), (1, map));
    }

    private static readonly Gen<(string Name, JsonObject Arguments)[]> Calls =
        Gen.Select(OneOf("f", "g", "fs.read_file", "get-time"), Gen.Select(Name, Value(3)).Array[0, 3]).Select((name, pairs) => (name, Object(pairs))).Array[1, 3];

    private static JsonObject Object((string, JsonNode?)[] pairs)
    {
        JsonObject result = [];
        foreach ((string key, JsonNode? value) in pairs) result[key] = value?.DeepClone();
        return result;
    }

    [Fact]
    public void Calls_survive_the_round_trip_in_any_pieces()
        => Gen.Select(Calls, OneOf(Formats), Gen.Int[1, 9].Array[1, 40], Gen.Int[0, 1000]).Sample((calls, format, cuts, seed) =>
        {
            string output = Print(format, calls, new Random(seed));
            ParsedOutput parsed = ParsedOutput.Of(format, Pieces(output, cuts));
            Assert.Equal(Expected(calls), parsed.Calls.Select(Normal), StringComparer.Ordinal);
            Assert.Equal("", parsed.Content.Trim());
            Assert.Equal(ParsedOutput.Of(format, [output]).Trace, parsed.Trace);
        }, iter: 3000);

    /// <summary>The control: one character more in the output shows.</summary>
    [Theory]
    [InlineData("gemma4")]
    [InlineData("lfm2")]
    [InlineData("pythonic")]
    [InlineData("hermes")]
    [InlineData("llama3_json")]
    public void The_round_trip_notices_one_character(string format)
    {
        (string, JsonObject)[] calls = [("f", new JsonObject { ["a"] = "needle", ["b"] = 1 })];
        string output = Print(format, calls, new Random(1));
        Assert.Equal(Expected(calls), ParsedOutput.Of(format, [output]).Calls.Select(Normal));
        Assert.NotEqual(Expected(calls), ParsedOutput.Of(format, [output.Replace("needle", "neeedle", StringComparison.Ordinal)]).Calls.Select(Normal));
        Assert.NotEqual(Expected(calls), ParsedOutput.Of(format, [output.Replace("1", "11", StringComparison.Ordinal)]).Calls.Select(Normal));
    }

    private static string[] Expected((string Name, JsonObject Arguments)[] calls) => [.. calls.Select(call => call.Name + call.Arguments.ToJsonString())];

    private static string Normal(string call) => call[..call.IndexOf('{', StringComparison.Ordinal)] + JsonNode.Parse(call[call.IndexOf('{', StringComparison.Ordinal)..])!.ToJsonString();

    internal static IEnumerable<string> Pieces(string text, int[] cuts)
    {
        for (int at = 0, i = 0; at < text.Length; i++)
        {
            int length = Math.Min(cuts[i % cuts.Length], text.Length - at);
            yield return text.Substring(at, length);
            at += length;
        }
    }

    private static string Print(string format, (string Name, JsonObject Arguments)[] calls, Random random) => format switch
    {
        "gemma4" => string.Concat(calls.Select(call => $"<|tool_call>call:{call.Name}{Gemma(call.Arguments)}<tool_call|>")),
        "lfm2" => $"<|tool_call_start|>[{string.Join(", ", calls.Select(call => Python(call, random)))}]<|tool_call_end|>",
        "pythonic" => $"[{string.Join(", ", calls.Select(call => Python(call, random)))}]",
        "hermes" => string.Join('\n', calls.Select(call => $"<tool_call>\n{Json(call, "arguments", random)}\n</tool_call>")),
        _ => string.Join("; ", calls.Select(call => Json(call, "parameters", random))),
    };

    private static string Gemma(JsonNode? value) => value switch
    {
        JsonObject map => $"{{{string.Join(',', map.Select(pair => $"{GemmaKey(pair.Key)}:{Gemma(pair.Value)}"))}}}",
        JsonArray array => $"[{string.Join(',', array.Select(Gemma))}]",
        JsonValue text when text.TryGetValue(out string? s) => $"<|\"|>{s}<|\"|>",
        null => "null",
        _ => value.ToJsonString(),
    };

    private static string GemmaKey(string key) => key.Length > 0 && key.All(char.IsAsciiLetter) ? key : $"<|\"|>{key}<|\"|>";

    private static string Python((string Name, JsonObject Arguments) call, Random random)
        => $"{call.Name}({string.Join(", ", call.Arguments.Select(pair => $"{pair.Key}={Python(pair.Value, random)}"))})";

    private static string Python(JsonNode? value, Random random) => value switch
    {
        JsonObject map => $"{{{string.Join(", ", map.Select(pair => $"{PythonString(pair.Key, random)}: {Python(pair.Value, random)}"))}}}",
        JsonArray array => $"[{string.Join(", ", array.Select(item => Python(item, random)))}]",
        JsonValue text when text.TryGetValue(out string? s) => PythonString(s, random),
        JsonValue constant when constant.TryGetValue(out bool b) => b ? "True" : "False",
        null => "None",
        _ => value.ToJsonString(),
    };

    private static string PythonString(string text, Random random)
    {
        char quote = random.Next(2) == 0 ? '\'' : '"';
        StringBuilder literal = new();
        foreach (char c in text)
        {
            if (c == quote || c == '\\') literal.Append('\\');
            literal.Append(c == '\n' && random.Next(2) == 0 ? "\\n" : c.ToString());
        }
        return $"{quote}{literal}{quote}";
    }

    private static string Json((string Name, JsonObject Arguments) call, string key, Random random)
        => new JsonObject { ["name"] = call.Name, [key] = call.Arguments.DeepClone() }.ToJsonString(new() { WriteIndented = random.Next(2) == 0 });
}
