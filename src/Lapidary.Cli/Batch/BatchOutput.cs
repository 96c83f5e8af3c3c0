using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Lapidary.Server.Local;

namespace Lapidary.Cli.Batch;

/// <summary>
/// The file of results, in OpenAI's format, a line as soon as its request has ended. What an earlier run has written is kept,
/// but for a line that broke off and for failures of the server (status 5xx), which are tried again.
/// </summary>
internal sealed class BatchOutput : IDisposable
{
    private const int FirstServerError = 500;
    private static readonly JsonWriterOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly FileStream file;
    private readonly Lock gate = new();

    private BatchOutput(FileStream file, HashSet<string> done) => (this.file, Done) = (file, done);

    /// <summary>custom_ids that have their result.</summary>
    public IReadOnlySet<string> Done { get; }

    /// <exception cref="RequestException">The file cannot be written, or holds something else.</exception>
    public static BatchOutput Open(string path)
    {
        try
        {
            HashSet<string> done = new FileInfo(path) is { Exists: true, Length: > 0 } ? Keep(path) : []; // a device has no length, and may give bytes without end
            return new BatchOutput(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read), done);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new RequestException($"{path} cannot be written: {exception.Message}", exception);
        }
    }

    /// <param name="answer">What the API answered.</param>
    public void Write(string customId, LocalAnswer answer) => Write(json =>
    {
        json.WriteString("custom_id", customId);
        json.WriteStartObject("response");
        json.WriteNumber("status_code", answer.Status);
        json.WriteString("request_id", answer.RequestId);
        json.WritePropertyName("body");
        json.WriteRawValue(answer.Body);
        json.WriteEndObject();
        json.WriteNull("error");
    });

    /// <summary>The result of a line that is no request.</summary>
    public void WriteFault(string? customId, string message) => Write(json =>
    {
        json.WriteString("custom_id", customId);
        json.WriteNull("response");
        json.WriteStartObject("error");
        json.WriteString("code", "invalid_request");
        json.WriteString("message", message);
        json.WriteEndObject();
    });

    public void Dispose() => file.Dispose();

    private void Write(Action<Utf8JsonWriter> members)
    {
        using MemoryStream line = new();
        using (Utf8JsonWriter json = new(line, Relaxed))
        {
            json.WriteStartObject();
            json.WriteString("id", $"batch_req_{Guid.NewGuid():N}");
            members(json);
            json.WriteEndObject();
        }
        line.WriteByte((byte)'\n');
        lock (gate)
        {
            file.Write(line.GetBuffer(), 0, (int)line.Length); // one write: a line is there or not
            file.Flush();
        }
    }

    /// <summary>Leaves in the file the lines that count, and returns their ids.</summary>
    private static HashSet<string> Keep(string path)
    {
        const string start = "{\"id\":\"batch_req_"; // or less of it, where a full disk broke the first line off
        if (File.ReadLines(path).FirstOrDefault() is { } first && !first.StartsWith(start, StringComparison.Ordinal) && !start.StartsWith(first, StringComparison.Ordinal))
            throw new RequestException($"{path} exists and is no result of a batch; choose another file");
        HashSet<string> done = new(StringComparer.Ordinal);
        string kept = path + ".resume";
        bool droppedAny = false;
        using (StreamWriter writer = new(kept, append: false, new UTF8Encoding(false)) { NewLine = "\n" })
        {
            foreach (string line in File.ReadLines(path))
            {
                (string? id, int status) = Read(line);
                bool isKept = id is not null && status < FirstServerError && done.Add(id);
                if (isKept) writer.WriteLine(line);
                droppedAny |= !isKept;
            }
        }
        // A file that ends without a line end must not be appended to.
        if (droppedAny || !EndsWithLine(path)) File.Move(kept, path, overwrite: true);
        else File.Delete(kept);
        return done;
    }

    private static bool EndsWithLine(string path)
    {
        using FileStream file = File.OpenRead(path);
        if (file.Length == 0) return true;
        file.Seek(-1, SeekOrigin.End);
        return file.ReadByte() == '\n';
    }

    /// <summary>The id of a result and its status; no id for what is no complete result of a request.</summary>
    private static (string? Id, int Status) Read(string line)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = 200 });
            JsonElement result = document.RootElement;
            string? id = result.GetProperty("custom_id").GetString();
            return (id, result.GetProperty("response").GetProperty("status_code").GetInt32());
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return (null, 0);
        }
    }
}
