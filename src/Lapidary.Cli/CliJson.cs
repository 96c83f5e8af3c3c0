using System.Text.Json;
using System.Text.Json.Serialization;
using Lapidary.Cli.Bench;
using Lapidary.Cli.Commands;
using Lapidary.Cli.Reports;
using Lapidary.Conformance;
using Lapidary.Verification;

namespace Lapidary.Cli;

/// <summary>Everything the commands print as JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals, AllowDuplicateProperties = false)]
[JsonSerializable(typeof(ParityReport))]
[JsonSerializable(typeof(RoutingReport))]
[JsonSerializable(typeof(ConformanceReport))]
[JsonSerializable(typeof(VerifyResult))]
[JsonSerializable(typeof(QuantizeReport))]
[JsonSerializable(typeof(PackReport))]
[JsonSerializable(typeof(int[]))]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(RunResult))]
[JsonSerializable(typeof(BenchResult))]
[JsonSerializable(typeof(ModelFacts))]
[JsonSerializable(typeof(Dictionary<string, string>))]
[JsonSerializable(typeof(Dictionary<string, JsonElement>))]
internal sealed partial class CliJson : JsonSerializerContext;
