using System.Text.Json.Serialization;
using Lapidary.Verification;

namespace Lapidary.Cli;

/// <summary>Everything the commands print as JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ParityReport))]
[JsonSerializable(typeof(int[]))]
[JsonSerializable(typeof(string))]
internal sealed partial class CliJson : JsonSerializerContext;
