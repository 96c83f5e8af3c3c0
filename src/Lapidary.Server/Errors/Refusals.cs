using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Lapidary.Server.Operations;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.WebUtilities;

namespace Lapidary.Server.Errors;

/// <summary>
/// Gives a body to what Kestrel refuses before any middleware sees it: a malformed request line or header, too long a line,
/// too many headers, an unknown version of HTTP, headers that never end.
/// </summary>
internal sealed partial class Refusals(ILogger<Refusals> log) : IObserver<KeyValuePair<string, object?>>
{
    private const string BadRequest = "Microsoft.AspNetCore.Server.Kestrel.BadRequest";

    public IDisposable Subscribe(DiagnosticListener kestrel) => kestrel.Subscribe(this, name => name == BadRequest);

    public void OnNext(KeyValuePair<string, object?> told)
    {
        if (told.Value is not IFeatureCollection request || request.Get<IBadRequestExceptionFeature>()?.Error is not BadHttpRequestException refusal) return;
        // HTTP/2 and HTTP/3 have frames for this; and after a part of an answer there is nothing to add.
        if (request.Get<RefusalOutput>() is not { } output || request.Get<IHttpResponseFeature>() is not { HasStarted: false } || request.Get<IHttpRequestFeature>() is not { } head) return;
        if (HttpProtocol.IsHttp2(head.Protocol ?? "") || HttpProtocol.IsHttp3(head.Protocol ?? "")) return;
        string id = RequestId.New();
        ApiException error = ApiException.From(refusal);
        output.Refuse(Response(error, id, withBody: head.Method != HttpMethods.Head));
        Refused(error.Status, error.Message, id);
    }

    public void OnCompleted()
    {
        // The listener lives as long as the server.
    }

    public void OnError(Exception error)
    {
        // A listener for diagnostics has none.
    }

    private static byte[] Response(ApiException error, string id, bool withBody)
    {
        ArrayBufferWriter<byte> body = new();
        using (Utf8JsonWriter json = new(body, JsonResponse.WriterOptions)) JsonSerializer.Serialize(json, ErrorBody.Of(error), ServerJson.Default.ErrorBody);
        string head = string.Create(CultureInfo.InvariantCulture,
            $"HTTP/1.1 {error.Status} {ReasonPhrases.GetReasonPhrase(error.Status)}\r\nContent-Type: {JsonResponse.ContentType}\r\nContent-Length: {body.WrittenCount}\r\nConnection: close\r\nDate: {DateTimeOffset.UtcNow:R}\r\n{RequestId.Header}: {id}\r\n\r\n");
        return [.. Encoding.ASCII.GetBytes(head), .. withBody ? body.WrittenSpan : []];
    }

    [LoggerMessage(LogLevel.Information, "refused with {Status}: {Reason}, request {RequestId}")]
    private partial void Refused(int status, string reason, string requestId);
}
