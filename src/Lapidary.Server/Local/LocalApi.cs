namespace Lapidary.Server.Local;

/// <summary>What the API answered: an HTTP status and a JSON body.</summary>
public sealed record LocalAnswer(int Status, string RequestId, byte[] Body);

/// <summary>
/// The HTTP API without a socket: requests of this process take the same way as those from outside, with the same checks,
/// defaults and errors.
/// </summary>
public sealed class LocalApi : IAsyncDisposable
{
    private readonly LapidaryServer server;
    private readonly MemoryServer memory;

    private LocalApi(LapidaryServer server, MemoryServer memory) => (this.server, this.memory) = (server, memory);

    /// <param name="model">Still disposed by the caller, afterwards.</param>
    public static async Task<LocalApi> StartAsync(ServerOptions options, ServedModel model)
    {
        MemoryServer memory = new();
        LapidaryServer server = await LapidaryServer.StartAsync(options, memory);
        server.Serve(model);
        return new LocalApi(server, memory);
    }

    /// <param name="path">Of the API, like /v1/chat/completions.</param>
    /// <param name="body">JSON in UTF-8.</param>
    public Task<LocalAnswer> PostAsync(string path, byte[] body, CancellationToken cancel) => memory.PostAsync(path, body, cancel);

    public ValueTask DisposeAsync() => server.DisposeAsync();
}
