using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace Lapidary.Templates.Values;

/// <summary>JSON to values, as Python's json.loads does it.</summary>
internal static class JsonReading
{
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 128 };

    public static TemplateValue Parse(ReadOnlyMemory<byte> utf8)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(utf8, Options);
            return Convert(document.RootElement);
        }
        catch (JsonException exception)
        {
            throw new TemplateException($"not valid JSON: {exception.Message}", exception);
        }
    }

    public static TemplateValue Convert(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => Object(json),
        JsonValueKind.Array => Array(json),
        JsonValueKind.String => new StringValue(Text(json)),
        JsonValueKind.Number => Number(json.GetRawText()),
        JsonValueKind.True => BoolValue.True,
        JsonValueKind.False => BoolValue.False,
        _ => NoneValue.Instance,
    };

    private static DictValue Object(JsonElement json)
    {
        DictValue dict = new();
        foreach (JsonProperty member in json.EnumerateObject()) dict.Set(new StringValue(Name(member)), Convert(member.Value));
        return dict;
    }

    private static ListValue Array(JsonElement json)
    {
        List<TemplateValue> items = new(json.GetArrayLength());
        foreach (JsonElement item in json.EnumerateArray()) items.Add(Convert(item));
        return new ListValue(items);
    }

    private static string Text(JsonElement json)
    {
        try { return json.GetString()!; }
        catch (InvalidOperationException exception) { throw HalfSurrogate(exception); }
    }

    private static string Name(JsonProperty member)
    {
        try { return member.Name; }
        catch (InvalidOperationException exception) { throw HalfSurrogate(exception); }
    }

    private static TemplateException HalfSurrogate(Exception inner)
        => new("a JSON string holds half a surrogate pair or bytes that are not UTF-8, which cannot be written as text", inner);

    private static TemplateValue Number(string text)
    {
        if (text.AsSpan().IndexOfAny('.', 'e', 'E') >= 0) return new FloatValue(double.Parse(text, CultureInfo.InvariantCulture));
        if (text.Length > IntValue.MaxDigits) throw new TemplateException($"a JSON integer has {text.Length} digits, more than {IntValue.MaxDigits}");
        return new IntValue(BigInteger.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture));
    }
}
