using System.Text;
using System.Text.Json;

namespace Lapidary.Tools;

/// <summary>The JSON of values that models write without JSON's quotes, or with quotes where the schema wants none.</summary>
internal static class ArgumentValue
{
    /// <summary>
    /// A bare word: true, false, null (also none, nil), a number, else a string. A type of the schema that takes strings and
    /// not the word's own type keeps it a string, so a postal code stays "01234".
    /// </summary>
    public static string OfBare(string word, JsonTypes types)
    {
        bool Allowed(JsonTypes wanted) => (types & JsonTypes.String) == 0 || (types & wanted) != 0;

        if (word == "null" || (IsNull(word) && Allowed(JsonTypes.Null))) return "null";
        if (IsBoolean(word, out string boolean) && Allowed(JsonTypes.Boolean)) return boolean;
        if (Allowed(JsonTypes.Number | JsonTypes.Integer) && Number(word) is { } number) return number;
        return Quote(Unquoted(word));
    }

    /// <summary>A string where the schema takes no string: a value of the wanted type if the text is one, else the string.</summary>
    public static string OfQuoted(string text, JsonTypes types)
    {
        string word = text.Trim();
        if ((types & JsonTypes.Null) != 0 && IsNull(word)) return "null";
        if ((types & JsonTypes.Boolean) != 0 && IsBoolean(word, out string boolean)) return boolean;
        if ((types & (JsonTypes.Number | JsonTypes.Integer)) != 0 && Number(word) is { } number) return number;
        if ((types & (JsonTypes.Object | JsonTypes.Array)) != 0 && Container(word, types) is { } json) return json;
        return Quote(text);
    }

    /// <summary>JSON's form of a number as Python reads it, 108. and .5 and 007 included; null when it is none.</summary>
    public static string? Number(string word)
    {
        int at = word is ['+' or '-', ..] ? 1 : 0;
        ReadOnlySpan<char> whole = Digits(word, ref at), fraction = default, exponent = default;
        bool hasPoint = at < word.Length && word[at] == '.';
        if (hasPoint)
        {
            at++;
            fraction = Digits(word, ref at);
        }
        if (whole.IsEmpty && fraction.IsEmpty) return null;
        if (at < word.Length && word[at] is 'e' or 'E')
        {
            int start = at++;
            if (at < word.Length && word[at] is '+' or '-') at++;
            if (Digits(word, ref at).IsEmpty) return null;
            exponent = word.AsSpan(start, at - start);
        }
        if (at < word.Length) return null;
        StringBuilder json = new(word.Length + 2);
        if (word[0] == '-') json.Append('-');
        ReadOnlySpan<char> significant = whole.TrimStart('0');
        json.Append(significant.IsEmpty ? "0" : significant);
        if (hasPoint) json.Append('.').Append(fraction.IsEmpty ? "0" : fraction);
        return json.Append(exponent).ToString();
    }

    /// <summary>A JSON string.</summary>
    public static string Quote(string text)
    {
        StringBuilder json = new(text.Length + 2);
        JsonStringWriter writer = new();
        json.Append('"');
        foreach (char c in text) writer.Append(json, c);
        writer.End(json);
        return json.Append('"').ToString();
    }

    /// <summary>With U+FFFD for halves of surrogate pairs, which escapes can make.</summary>
    public static string WellFormed(string text)
        => text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF') ? Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)) : text;

    private static ReadOnlySpan<char> Digits(string word, scoped ref int at)
    {
        int start = at;
        while (at < word.Length && char.IsAsciiDigit(word[at])) at++;
        return word.AsSpan(start, at - start);
    }

    private static bool IsNull(string word) => word.ToUpperInvariant() is "NULL" or "NONE" or "NIL";

    private static bool IsBoolean(string word, out string json)
    {
        json = word.ToLowerInvariant();
        return json is "true" or "false";
    }

    /// <summary>Without the double quotes of a model that writes JSON.</summary>
    public static string Unquoted(string word)
    {
        if (word.Length < 2 || word[0] != '"' || word[^1] != '"') return word;
        try
        {
            using JsonDocument parsed = JsonDocument.Parse(word);
            return parsed.RootElement.GetString()!;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException) // bad escape, half a surrogate pair
        {
            return word[1..^1];
        }
    }

    private static string? Container(string text, JsonTypes types)
    {
        if (text is not ['{' or '[', ..]) return null;
        try
        {
            using JsonDocument parsed = JsonDocument.Parse(text);
            return (ArgumentSchema.TypeOf(parsed.RootElement.ValueKind) & types) != 0 ? parsed.RootElement.GetRawText() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
