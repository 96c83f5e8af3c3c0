using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Lapidary.Cli;

/// <summary>Standard input and output as UTF-8 without a byte order mark, whatever the locale.</summary>
internal static class StandardStreams
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    /// <exception cref="RequestException">The input is not valid UTF-8.</exception>
    public static string ReadAll()
    {
        using MemoryStream bytes = new();
        using (Stream input = Console.OpenStandardInput()) input.CopyTo(bytes);
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
        }
        catch (DecoderFallbackException exception)
        {
            throw new RequestException($"standard input is not valid UTF-8 (byte {exception.Index})", exception);
        }
    }

    public static StreamReader Input() => new(Console.OpenStandardInput(), Utf8);

    public static StreamWriter Output() => new(Console.OpenStandardOutput(), Utf8, bufferSize: 1 << 16) { NewLine = "\n" };
}

/// <summary>One JSON value a line.</summary>
internal static class JsonLines
{
    public static IEnumerable<T> Read<T>(JsonTypeInfo<T> type, string expected)
    {
        using StreamReader input = StandardStreams.Input();
        int number = 0;
        while (input.ReadLine() is { } line)
        {
            number++;
            if (line.Length > 0) yield return Parse(line, type, $"{expected} on line {number}");
        }
    }

    /// <exception cref="RequestException">It is not such a value.</exception>
    public static T Parse<T>(string text, JsonTypeInfo<T> type, string expected)
    {
        try
        {
            return JsonSerializer.Deserialize(text, type) ?? throw new RequestException($"expected {expected}, found null");
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException) // the latter: a lone surrogate
        {
            string shown = text.Length > 40 ? text[..40] + "…" : text;
            throw new RequestException($"expected {expected}, found {shown.ReplaceLineEndings(" ")}", exception);
        }
    }
}
