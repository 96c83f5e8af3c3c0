using System.Text.Json.Serialization;

namespace Lapidary;

[JsonSerializable(typeof(string))]
internal sealed partial class EngineJson : JsonSerializerContext;
