using System.Text.Json.Serialization;
using Lapidary.Server.Anthropic;
using Lapidary.Server.Errors;
using Lapidary.Server.OpenAi;
using Lapidary.Server.OpenAi.Chat;
using Lapidary.Server.OpenAi.Completions;
using Lapidary.Server.OpenAi.Embeddings;
using Lapidary.Server.OpenAi.Responses;
using Lapidary.Server.Operations;
using Lapidary.Server.Tokens;

namespace Lapidary.Server;

/// <summary>Everything the server writes as JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ErrorBody))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(ModelCard))]
[JsonSerializable(typeof(ServerStatus))]
[JsonSerializable(typeof(ServerLoad))]
[JsonSerializable(typeof(ServerVersion))]
[JsonSerializable(typeof(ChatCompletion))]
[JsonSerializable(typeof(ChatChunk))]
[JsonSerializable(typeof(TextCompletion))]
[JsonSerializable(typeof(ResponseBody))]
[JsonSerializable(typeof(ResponseEvent))]
[JsonSerializable(typeof(MessageBody))]
[JsonSerializable(typeof(MessageEvent))]
[JsonSerializable(typeof(BlockDelta))]
[JsonSerializable(typeof(MessageDelta))]
[JsonSerializable(typeof(TokenCount))]
[JsonSerializable(typeof(EmbeddingList))]
[JsonSerializable(typeof(float[]))]
[JsonSerializable(typeof(TokenList))]
[JsonSerializable(typeof(DetokenizedText))]
[JsonSerializable(typeof(int))] // stop_reason
[JsonSerializable(typeof(string))]
internal sealed partial class ServerJson : JsonSerializerContext;
