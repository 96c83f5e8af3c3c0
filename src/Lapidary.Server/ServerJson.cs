using System.Text.Json.Serialization;
using Lapidary.Server.Errors;
using Lapidary.Server.OpenAi;
using Lapidary.Server.Operations;

namespace Lapidary.Server;

/// <summary>Everything the server writes as JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ErrorBody))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(ModelCard))]
[JsonSerializable(typeof(ServerStatus))]
[JsonSerializable(typeof(ServerVersion))]
internal sealed partial class ServerJson : JsonSerializerContext;
