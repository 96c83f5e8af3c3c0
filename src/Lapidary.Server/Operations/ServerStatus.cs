using System.Text.Json.Serialization;

namespace Lapidary.Server.Operations;

/// <summary>GET /health and GET /ready, when the answer is yes.</summary>
internal sealed record ServerStatus(string Status);

/// <summary>GET /load, as vLLM answers it: requests that generate or wait.</summary>
internal sealed record ServerLoad([property: JsonPropertyName("server_load")] int Requests);

/// <summary>GET /version.</summary>
internal sealed record ServerVersion(string Version)
{
    public static ServerVersion Current { get; } = new(typeof(ServerVersion).Assembly.GetName().Version!.ToString(3));
}
