using System.Text.Json;

namespace Lapidary.Tools;

/// <summary>A function that the model may call.</summary>
/// <param name="Parameters">The JSON schema of the arguments object; null when the definition has none.</param>
public sealed record ToolDefinition(string Name, JsonElement? Parameters = null);
