using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Lapidary.Cli;

/// <summary>Standard input and output as UTF-8 without a byte order mark, whatever the locale.</summary>
internal static class StandardStreams
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <exception cref="RequestException">The input is not valid UTF-8.</exception>
    public static string ReadAll()
    {
        using MemoryStream bytes = new();
        using (Stream input = Console.OpenStandardInput()) input.CopyTo(bytes);
        try
        {
            return Strict.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
        }
        catch (DecoderFallbackException exception)
        {
            throw new RequestException($"standard input is not valid UTF-8 (byte {exception.Index})", exception);
        }
    }

    public static StreamReader Input() => new(Console.OpenStandardInput(), Utf8);

    /// <summary>Bytes that are not UTF-8 throw <see cref="DecoderFallbackException"/>.</summary>
    public static StreamReader StrictInput() => new(Console.OpenStandardInput(), Strict);

    /// <summary>From now on what standard error cannot take, because the disk behind it is full, is lost and nothing else happens.</summary>
    public static void TolerateLostErrors()
        => Console.SetError(TextWriter.Synchronized(new StreamWriter(new LossyStream(Console.OpenStandardError()), Utf8) { AutoFlush = true, NewLine = "\n" }));

    public static StreamWriter Output() => new(Console.OpenStandardOutput(), Utf8, bufferSize: 1 << 16) { NewLine = "\n" };
}

/// <summary>Passes bytes on; those that cannot be written are dropped.</summary>
internal sealed class LossyStream(Stream target) : Stream
{
    public override bool CanRead => false;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            target.Write(buffer);
        }
        catch (IOException)
        {
            // The next line may find room again.
        }
    }

    public override void Flush() { }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}

/// <summary>One JSON value a line.</summary>
internal static class JsonLines
{
    /// <exception cref="RequestException">A line is not such a value, or not UTF-8.</exception>
    public static IEnumerable<T> Read<T>(JsonTypeInfo<T> type, string expected)
    {
        using StreamReader input = StandardStreams.StrictInput();
        int number = 0;
        while (NextLine(input, number) is { } line)
        {
            number++;
            if (line.Length > 0) yield return Parse(line, type, $"{expected} on line {number}");
        }
    }

    private static string? NextLine(StreamReader input, int read)
    {
        try
        {
            return input.ReadLine();
        }
        catch (DecoderFallbackException exception)
        {
            throw new RequestException($"standard input is not valid UTF-8 (after line {read})", exception);
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
