using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace Lapidary.Server.Errors;

/// <summary>
/// What a connection sends. Passes everything on, until the HTTP parser refuses a request: then one whole response takes the
/// place of the parser's own, which has no body.
/// </summary>
internal sealed class RefusalOutput(PipeWriter output) : PipeWriter
{
    private byte[]? refusal, dropped;

    public override bool CanGetUnflushedBytes => output.CanGetUnflushedBytes;
    public override long UnflushedBytes => output.UnflushedBytes;

    /// <summary>Puts one around the output of every connection, where <see cref="Refusals"/> finds it.</summary>
    public static Task Wrap(ConnectionContext connection, ConnectionDelegate next)
    {
        RefusalOutput output = new(connection.Transport.Output);
        connection.Transport = new Duplex(connection.Transport.Input, output);
        connection.Features.Set(output);
        return next(connection);
    }

    /// <summary>The last response of the connection.</summary>
    public void Refuse(byte[] response) => refusal = response;

    public override Memory<byte> GetMemory(int sizeHint = 0) => refusal is null ? output.GetMemory(sizeHint) : Dropped(sizeHint);

    public override Span<byte> GetSpan(int sizeHint = 0) => refusal is null ? output.GetSpan(sizeHint) : Dropped(sizeHint);

    public override void Advance(int bytes)
    {
        if (refusal is null) output.Advance(bytes);
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        WriteRefusal();
        return output.FlushAsync(cancellationToken);
    }

    public override void CancelPendingFlush() => output.CancelPendingFlush();

    public override void Complete(Exception? exception = null)
    {
        WriteRefusal();
        output.Complete(exception);
    }

    public override ValueTask CompleteAsync(Exception? exception = null)
    {
        WriteRefusal();
        return output.CompleteAsync(exception);
    }

    private byte[] Dropped(int sizeHint) => dropped?.Length >= sizeHint ? dropped : dropped = new byte[Math.Max(sizeHint, 4096)];

    private void WriteRefusal()
    {
        if (refusal is not { Length: > 0 } response) return;
        refusal = []; // sent once; what the parser writes is still dropped
        output.Write(response);
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
