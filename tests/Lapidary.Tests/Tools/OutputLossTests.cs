using System.Text;
using System.Text.RegularExpressions;
using CsCheck;

namespace Lapidary.Tests.Tools;

/// <summary>Letters that nothing else uses are strewn over valid, lenient and broken outputs: they come out again, in text or call.</summary>
public sealed partial class OutputLossTests
{
    private const char First = '一';
    private static readonly string[] Formats = ["gemma4", "lfm2", "pythonic", "hermes", "llama3_json"];

    private static readonly string[] Whole =
    [
        "<|channel>thought\nhm\n<channel|>Text <|tool_call>call:get_weather{city:<|\"|>Paris, {x}<|\"|>,days:3,deep:{codes:[1,null],n:<|\"|>2<|\"|>}}<tool_call|><|tool_call>call:g{}<tool_call|>more",
        "thought\nhm\n<channel|>Text\ncall:f{a:1}\n<|tool_call>:g(b=2)<turn|>",
        "<think>hm</think>Text <|tool_call_start|>[get_weather(city='it's', days=07, deep={'codes': [1, (2,)], \"n\": {3}}), g(a=r'\\d', b='''x''')]<|tool_call_end|>\nmore",
        "<think>hm</think>Text <|python_start|>[f(a='x', b=y()), g()]<|python_end|> more",
        "[f(a='print('x')', b={'k': [True, None, -1.5]}), g()]",
        "Text <tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris \\\"x\\\" \\u00e9\", \"deep\": {\"codes\": [1, null]}}}\n</tool_call>\n<tool_call>{'name': 'g', 'arguments': {}}</tool_call> more",
        "{\"name\": \"f\", \"parameters\": {\"a\": [1, {\"b\": true}]}}; {\"name\": \"g\", \"parameters\": {}}",
    ];

    private static readonly Gen<string> Damaged = Gen.Frequency(
        (1, Gen.Select(Of(Whole), Gen.Int[0, 1000], Gen.Int[1, 12]).Select((text, at, length) => text.Remove(Place(text, at), Math.Min(length, text.Length - Place(text, at))))),
        (1, Gen.Select(Of(Whole), Of(OutputFuzzTests.Parts), Gen.Int[0, 1000]).Select((text, part, at) => text.Insert(Place(text, at), part))),
        (1, Of(OutputFuzzTests.Parts).Array[1, 30].Select(string.Concat)));

    [Fact]
    public void Every_letter_comes_out_once_and_in_order_however_the_output_is_cut()
        => Gen.Select(Strewn(Of(Whole)), Gen.Int[1, 9].Array[1, 40]).Sample((text, cuts) =>
        {
            foreach (string format in Formats)
                if (!IsJson(format) || !LetterInKey().IsMatch(text)) // members beside name and arguments are dropped
                    Assert.True(text.Where(IsOurs).SequenceEqual(Trace(format, text, cuts).Where(IsOurs)), $"{format}: {text}\n--- {Trace(format, text, cuts)}");
        }, iter: 3000);

    [Fact]
    public void Of_damaged_output_nothing_is_said_twice_or_in_another_order()
        => Gen.Select(Strewn(Damaged), Gen.Int[1, 9].Array[1, 40]).Sample((text, cuts) =>
        {
            foreach (string format in Formats)
            {
                char[] found = [.. Trace(format, text, cuts).Where(IsOurs)];
                Assert.True(text.Where(found.Contains).SequenceEqual(found), $"{format}: {text}\n--- {Trace(format, text, cuts)}");
            }
        }, iter: 3000);

    /// <summary>Of the whole output, after a look at whether pieces give the same.</summary>
    private static string Trace(string format, string text, int[] cuts)
    {
        string trace = ParsedOutput.Of(format, [text]).Trace;
        Assert.Equal(trace, ParsedOutput.Of(format, GeneratedCallTests.Pieces(text, cuts)).Trace);
        return trace;
    }

    private static Gen<string> Of(string[] choices) => GeneratedCallTests.OneOf(choices);

    private static Gen<string> Strewn(Gen<string> outputs) => Gen.Select(outputs, Gen.Int[0, 1000].Array[1, 6]).Select((output, places) =>
    {
        StringBuilder text = new(output);
        foreach (int place in places) text.Insert(Place(output, place), First);
        for (int i = 0, next = First; i < text.Length; i++)
            if (text[i] == First) text[i] = (char)next++;
        return text.ToString();
    });

    private static int Place(string text, int thousandth) => thousandth * text.Length / 1001;

    private static bool IsJson(string format) => format is "hermes" or "llama3_json";

    [GeneratedRegex("""["'][^"']*[\u4e00-\u4e13][^"']*["']\s*:""")]
    private static partial Regex LetterInKey();

    private static bool IsOurs(char c) => c is >= First and < (char)(First + 20);
}
