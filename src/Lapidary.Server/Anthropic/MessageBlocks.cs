using System.Text;
using System.Text.Json;
using Lapidary.Tools;

namespace Lapidary.Server.Anthropic;

/// <summary>Builds the content blocks of a message, and tells each step as an event. Neighbouring text is one block.</summary>
internal sealed class MessageBlocks
{
    private static readonly JsonElement NoInput = JsonElement.Parse("{}");

    private readonly List<ContentBlock> done = [];
    private readonly StringBuilder text = new();
    private ContentBlock? open;

    public IReadOnlyList<ContentBlock> Blocks => done;

    public IEnumerable<MessageEvent> Add(OutputEvent step) => step switch
    {
        ContentDelta content => Grow(new ContentBlock("text") { Text = "" }, new BlockDelta("text_delta") { Text = content.Text }, content.Text),
        ReasoningDelta reasoning => Grow(new ContentBlock("thinking") { Thinking = "", Signature = "" }, new BlockDelta("thinking_delta") { Thinking = reasoning.Text }, reasoning.Text),
        ToolCallStart call => Begin(new ContentBlock("tool_use") { Id = call.Id, Name = call.Name, Input = NoInput }),
        ToolCallArguments arguments => Grow(open!, new BlockDelta("input_json_delta") { PartialJson = arguments.Json }, arguments.Json),
        ToolCallEnd => End(),
        _ => [],
    };

    /// <summary>Ends the open block.</summary>
    public IEnumerable<MessageEvent> End()
    {
        if (open is null) yield break;
        yield return new MessageEvent("content_block_stop") { Index = done.Count };
        string whole = text.ToString();
        done.Add(open.Type switch
        {
            "text" => open with { Text = whole },
            "thinking" => open with { Thinking = whole },
            _ => open with { Input = Input(whole) },
        });
        open = null;
        text.Clear();
    }

    private IEnumerable<MessageEvent> Begin(ContentBlock block)
    {
        foreach (MessageEvent happened in End()) yield return happened;
        open = block;
        yield return new MessageEvent("content_block_start") { Index = done.Count, ContentBlock = block };
    }

    private IEnumerable<MessageEvent> Grow(ContentBlock block, BlockDelta delta, string more)
    {
        if (open?.Type != block.Type)
            foreach (MessageEvent happened in Begin(block)) yield return happened;
        text.Append(more);
        yield return new MessageEvent("content_block_delta") { Index = done.Count, Delta = delta };
    }

    /// <summary>The arguments as an object; empty when the output was cut off inside them.</summary>
    private static JsonElement Input(string arguments)
    {
        try
        {
            return JsonElement.Parse(arguments);
        }
        catch (JsonException)
        {
            return NoInput;
        }
    }
}
