using Lapidary.Tokenizers;

namespace Lapidary.Tools;

/// <summary>What a parser needs to know of the request whose output it reads.</summary>
public sealed record OutputParserOptions
{
    /// <summary>Functions the model may call. Without any, what looks like a call is text.</summary>
    public IReadOnlyList<ToolDefinition> Tools { get; init; } = [];

    /// <summary>Calls after this many are dropped: 1 for parallel_tool_calls false.</summary>
    public int MaxToolCalls { get; init; } = int.MaxValue;

    /// <summary>The rendered prompt. Its end tells whether the model goes on inside its reasoning.</summary>
    public string Prompt { get; init; } = "";

    /// <summary>Whether special tokens that are not part of the format show in the text, as skip_special_tokens asks.</summary>
    public SpecialText SpecialText { get; init; } = SpecialText.Skip;
}
