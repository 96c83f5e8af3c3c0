using System.Text.Json;
using System.Text.Json.Serialization;
using Lapidary.Server.Errors;
using Lapidary.Server.OpenAi.Chat;

namespace Lapidary.Server.OpenAi.Responses;

/// <summary>A response of /v1/responses, whole or as far as it is.</summary>
internal sealed record ResponseBody(string Id, long CreatedAt, string Model, string Status, IReadOnlyList<OutputItem> Output)
{
    public string Object { get; } = "response";
    public bool Background { get; }
    public ErrorDetail? Error { get; init; }
    public IncompleteDetails? IncompleteDetails { get; init; }
    public string? Instructions { get; init; }
    public int? MaxOutputTokens { get; init; }
    public int? MaxToolCalls { get; }
    public bool ParallelToolCalls { get; init; }
    public string? PreviousResponseId { get; }
    public ResponseReasoning Reasoning { get; init; } = new(null);
    public string ServiceTier { get; } = "default";
    public bool Store { get; }
    public double Temperature { get; init; }
    public ResponseText Text { get; } = new(new ResponseTextFormat());
    public string ToolChoice { get; init; } = "auto";
    public IReadOnlyList<ResponseTool> Tools { get; init; } = [];
    public int TopLogprobs { get; init; }
    public double TopP { get; init; }
    public string Truncation { get; } = "disabled";
    public ResponseUsage? Usage { get; init; }
    public string? User { get; init; }
    public JsonElement Metadata { get; init; }
}

internal sealed record IncompleteDetails(string Reason);

internal sealed record ResponseReasoning(string? Effort)
{
    public string? Summary { get; }
}

internal sealed record ResponseText(ResponseTextFormat Format);

internal sealed record ResponseTextFormat
{
    public string Type { get; } = "text";
}

internal sealed record ResponseTool(string Name, string? Description, JsonElement? Parameters)
{
    public string Type { get; } = "function";
    public bool Strict { get; }

    public static ResponseTool Of(FunctionTool tool) => new(tool.Name, tool.Description, tool.Parameters);
}

internal sealed record ResponseUsage(int InputTokens, PromptTokensDetails InputTokensDetails, int OutputTokens, CompletionTokensDetails OutputTokensDetails)
{
    public int TotalTokens { get; } = InputTokens + OutputTokens;
}

/// <summary>One item of a response: a message, reasoning, or a function call. Members of the other kinds are left out.</summary>
internal sealed record OutputItem(string Id, string Type, string Status)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Role { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ContentPart>? Content { get; init; }

    /// <summary>Of reasoning; always empty, since reasoning is given whole.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Summary { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? CallId { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Name { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Arguments { get; init; }
}

/// <summary>output_text or reasoning_text.</summary>
internal sealed record ContentPart(string Type, string Text)
{
    /// <summary>Of output_text; always empty.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Annotations { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ChatTokenLogprob>? Logprobs { get; init; }
}

/// <summary>One event of a streamed response; which members there are depends on the type.</summary>
internal sealed record ResponseEvent(string Type)
{
    public int SequenceNumber { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ResponseBody? Response { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? OutputIndex { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public OutputItem? Item { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ItemId { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? ContentIndex { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ContentPart? Part { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Delta { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Text { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Name { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Arguments { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ChatTokenLogprob>? Logprobs { get; init; }

    // Of the type "error".
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Message { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Code { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Param { get; init; }
}
