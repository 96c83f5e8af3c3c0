using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lapidary.Server.Anthropic;

/// <summary>The answer to POST /v1/messages, whole or as it begins.</summary>
internal sealed record MessageBody(string Id, string Model, IReadOnlyList<ContentBlock> Content, string? StopReason, string? StopSequence, MessageUsage Usage)
{
    public string Type { get; } = "message";
    public string Role { get; } = "assistant";
}

internal sealed record MessageUsage(int InputTokens, int OutputTokens)
{
    public int CacheReadInputTokens { get; init; }
    public int CacheCreationInputTokens { get; }
}

/// <summary>text, thinking or tool_use; members of the other kinds are left out.</summary>
internal sealed record ContentBlock(string Type)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Text { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Thinking { get; init; }

    /// <summary>Of thinking: empty, since it is given in the clear and taken back as it is.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Signature { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Id { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Name { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Input { get; init; }
}

/// <summary>One event of a streamed message; which members there are depends on the type.</summary>
internal sealed record MessageEvent(string Type)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public MessageBody? Message { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Index { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ContentBlock? ContentBlock { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public object? Delta { get; init; } // BlockDelta, or MessageDelta at the end

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public MessageUsage? Usage { get; init; }
}

/// <summary>text_delta, thinking_delta or input_json_delta.</summary>
internal sealed record BlockDelta(string Type)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Text { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Thinking { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? PartialJson { get; init; }
}

/// <summary>How a message ended.</summary>
internal sealed record MessageDelta(string StopReason, string? StopSequence);

/// <summary>The answer to POST /v1/messages/count_tokens.</summary>
internal sealed record TokenCount(int InputTokens);
