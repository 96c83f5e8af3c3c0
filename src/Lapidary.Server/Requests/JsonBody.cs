using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Unicode;
using Lapidary.Server.Errors;
using Microsoft.AspNetCore.Http.Features;

namespace Lapidary.Server.Requests;

/// <summary>
/// The body of a request as a JSON object, or an error that says what is wrong with it. Refused: other media types and
/// encodings, too many bytes, invalid UTF-8, anything but strict JSON, nesting beyond <see cref="MaxDepth"/>, names that
/// occur twice in one object.
/// </summary>
internal static class JsonBody
{
    public const int MaxDepth = 128;

    private const long MostDropped = 256 << 20;

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = MaxDepth, AllowDuplicateProperties = false };

    /// <returns>Its root is an object. The caller disposes it.</returns>
    public static async Task<JsonDocument> ReadAsync(HttpContext context)
    {
        RequireJson(context.Request);
        byte[] body = await ReadBytes(context);
        ReadOnlyMemory<byte> utf8 = body.AsSpan().StartsWith("\ufeff"u8) ? body.AsMemory(3) : body;
        if (utf8.IsEmpty) throw Malformed("the request body is empty, expected a JSON object");
        if (!Utf8.IsValid(utf8.Span)) throw Malformed("the request body is not valid UTF-8");
        JsonDocument document = Parse(utf8);
        if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
        using (document) throw Malformed($"the request body is {JsonKind.Of(document.RootElement)}, expected a JSON object");
    }

    private static JsonDocument Parse(ReadOnlyMemory<byte> utf8)
    {
        try
        {
            return JsonDocument.Parse(utf8, Strict);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException) // the latter: half a surrogate pair in a name
        {
            throw Malformed($"the request body is not valid JSON: {MessageText.OneLine(exception.Message)}");
        }
    }

    private static void RequireJson(HttpRequest request)
    {
        string given = request.ContentType ?? "";
        string[] parts = [.. given.Split(';').Select(part => part.Trim().ToLowerInvariant())];
        bool utf8 = parts.Skip(1).All(part => !part.StartsWith("charset=", StringComparison.Ordinal) || part["charset=".Length..].Trim('"') is "utf-8" or "utf8");
        if (parts[0] != "application/json" || !utf8)
            throw Unsupported(given.Length == 0 ? "the request has no Content-Type, expected application/json" : $"the Content-Type is {MessageText.Quote(given)}, expected application/json in UTF-8");
        if (request.Headers.ContentEncoding.ToString() is { Length: > 0 } encoding && encoding != "identity")
            throw Unsupported($"the Content-Encoding is {MessageText.Quote(encoding)}, expected none");
        if (request.Headers.TransferEncoding.ToString() is { Length: > 0 } transfer && !transfer.Equals("chunked", StringComparison.OrdinalIgnoreCase))
            throw Unsupported($"the Transfer-Encoding is {MessageText.Quote(transfer)}, expected none or chunked");
    }

    private static async Task<byte[]> ReadBytes(HttpContext context)
    {
        long most = TakeLimit(context);
        PipeReader reader = context.Request.BodyReader;
        if (context.Request.ContentLength > most)
        {
            if (!WaitsForLeave(context.Request)) await Drop(context);
            throw TooLarge(most);
        }
        while (true)
        {
            ReadResult read = await Read(reader, context.RequestAborted);
            if (read.Buffer.Length > most)
            {
                reader.AdvanceTo(read.Buffer.End);
                await Drop(context);
                throw TooLarge(most);
            }
            if (!read.IsCompleted)
            {
                reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                continue;
            }
            byte[] body = read.Buffer.ToArray();
            reader.AdvanceTo(read.Buffer.End);
            return body;
        }
    }

    /// <summary>The server's limit of a body, which from now on is kept here: the server's own way is to close the connection at once.</summary>
    private static long TakeLimit(HttpContext context)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is not { IsReadOnly: false, MaxRequestBodySize: { } most } limit) return long.MaxValue;
        limit.MaxRequestBodySize = null;
        return most;
    }

    private static async ValueTask<ReadResult> Read(PipeReader reader, CancellationToken cancel)
    {
        try
        {
            return await reader.ReadAsync(cancel);
        }
        catch (IOException exception) when (exception is not BadHttpRequestException) // the size of a chunk is no integer
        {
            throw new ApiException(StatusCodes.Status400BadRequest, $"The HTTP request is malformed: {MessageText.OneLine(exception.Message)}") { Code = "malformed_request" };
        }
    }

    /// <summary>Whether the client sends its body only when it is told to (Expect: 100-continue), which the first read does.</summary>
    private static bool WaitsForLeave(HttpRequest request) => request.Headers.Expect.ToString().Equals("100-continue", StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads on, within bounds, so that a client that first sends everything gets to read the answer; one that stops sending gets it then.</summary>
    private static async Task Drop(HttpContext context)
    {
        PipeReader reader = context.Request.BodyReader;
        // Ended by the reader itself: a read whose token is cancelled still counts as running, and the server drains after it.
        using CancellationTokenSource patience = new();
        await using CancellationTokenRegistration ending = patience.Token.UnsafeRegister(_ => reader.CancelPendingRead(), null);
        for (long dropped = 0; dropped < MostDropped;)
        {
            patience.CancelAfter(LongestPause);
            ReadResult read = await Read(reader, context.RequestAborted);
            dropped += read.Buffer.Length;
            reader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted || read.IsCanceled) return; // canceled: it waits for the answer
        }
    }

    private static ApiException TooLarge(long most)
        => new(StatusCodes.Status413PayloadTooLarge, $"The request body is larger than {most} bytes, the most this server takes.") { Code = "request_too_large" };

    private static ApiException Malformed(string message) => new(StatusCodes.Status400BadRequest, message) { Code = "invalid_json" };

    private static ApiException Unsupported(string message) => new(StatusCodes.Status415UnsupportedMediaType, message) { Code = "unsupported_media_type" };
}

/// <summary>Names of JSON types, for messages.</summary>
internal static class JsonKind
{
    public static string Of(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "a boolean",
        _ => "null",
    };
}
