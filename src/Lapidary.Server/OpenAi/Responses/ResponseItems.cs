using System.Text;
using System.Text.Json;
using Lapidary.Tools;

namespace Lapidary.Server.OpenAi.Responses;

/// <summary>
/// Builds the items of a response from what the model says, and tells each step as an event: an item is added, its part
/// begins, grows, ends. Neighbouring text is one item.
/// </summary>
internal sealed class ResponseItems(bool includeLogprobs)
{
    private enum Kind { Message, Reasoning, Call }

    private readonly List<OutputItem> done = [];
    private readonly StringBuilder text = new();
    private readonly List<ChatTokenLogprob> logprobs = [];
    private Kind kind;
    private OutputItem? open;

    public IReadOnlyList<OutputItem> Items => done;

    /// <summary>Adds what one token told.</summary>
    /// <param name="logprob">Of the token; it goes with text only.</param>
    public IEnumerable<ResponseEvent> Add(IReadOnlyList<OutputEvent> told, ChatTokenLogprob? logprob)
    {
        foreach (OutputEvent step in told)
            foreach (ResponseEvent happened in Add(step, logprob))
                yield return happened;
    }

    /// <summary>Ends the open item.</summary>
    public IEnumerable<ResponseEvent> End(string status)
    {
        if (open is null) yield break;
        foreach (ResponseEvent happened in EndOpen(status)) yield return happened;
    }

    private IEnumerable<ResponseEvent> Add(OutputEvent step, ChatTokenLogprob? logprob) => step switch
    {
        ContentDelta content => Grow(Kind.Message, content.Text, "response.output_text.delta", includeLogprobs && logprob is not null ? [logprob] : []),
        ReasoningDelta reasoning => Grow(Kind.Reasoning, reasoning.Text, "response.reasoning_text.delta", null),
        ToolCallStart call => BeginCall(call),
        ToolCallArguments arguments => Grow(Kind.Call, arguments.Json, "response.function_call_arguments.delta", null),
        ToolCallEnd => End(IsWhole(text.ToString()) ? "completed" : "incomplete"),
        _ => [],
    };

    private IEnumerable<ResponseEvent> Grow(Kind wanted, string delta, string type, IReadOnlyList<ChatTokenLogprob>? tokens)
    {
        if (open is null || kind != wanted)
        {
            foreach (ResponseEvent happened in End("completed")) yield return happened;
            foreach (ResponseEvent happened in Begin(wanted)) yield return happened;
        }
        text.Append(delta);
        logprobs.AddRange(tokens ?? []);
        yield return new ResponseEvent(type) { ItemId = open!.Id, OutputIndex = done.Count, ContentIndex = wanted == Kind.Call ? null : 0, Delta = delta, Logprobs = tokens };
    }

    private IEnumerable<ResponseEvent> BeginCall(ToolCallStart call)
    {
        foreach (ResponseEvent happened in End("completed")) yield return happened;
        kind = Kind.Call;
        open = new OutputItem(Answers.NewId("fc_"), "function_call", "in_progress") { CallId = call.Id, Name = call.Name, Arguments = "" };
        yield return new ResponseEvent("response.output_item.added") { OutputIndex = done.Count, Item = open };
    }

    private IEnumerable<ResponseEvent> Begin(Kind wanted)
    {
        kind = wanted;
        open = wanted == Kind.Message
            ? new OutputItem(Answers.NewId("msg_"), "message", "in_progress") { Role = "assistant", Content = [] }
            : new OutputItem(Answers.NewId("rs_"), "reasoning", "in_progress") { Summary = [], Content = [] };
        yield return new ResponseEvent("response.output_item.added") { OutputIndex = done.Count, Item = open };
        yield return new ResponseEvent("response.content_part.added") { ItemId = open.Id, OutputIndex = done.Count, ContentIndex = 0, Part = Part("") };
    }

    private IEnumerable<ResponseEvent> EndOpen(string status)
    {
        OutputItem item = open! with { Status = status };
        string whole = text.ToString();
        if (kind == Kind.Call)
        {
            item = item with { Arguments = whole };
            yield return new ResponseEvent("response.function_call_arguments.done") { ItemId = item.Id, OutputIndex = done.Count, Name = item.Name, Arguments = whole };
        }
        else
        {
            ContentPart part = Part(whole);
            item = item with { Content = [part] };
            yield return new ResponseEvent(kind == Kind.Message ? "response.output_text.done" : "response.reasoning_text.done")
            {
                ItemId = item.Id,
                OutputIndex = done.Count,
                ContentIndex = 0,
                Text = whole,
                Logprobs = part.Logprobs,
            };
            yield return new ResponseEvent("response.content_part.done") { ItemId = item.Id, OutputIndex = done.Count, ContentIndex = 0, Part = part };
        }
        yield return new ResponseEvent("response.output_item.done") { OutputIndex = done.Count, Item = item };
        done.Add(item);
        open = null;
        text.Clear();
        logprobs.Clear();
    }

    /// <summary>Not when the output was cut off inside the arguments.</summary>
    private static bool IsWhole(string arguments)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(arguments);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private ContentPart Part(string whole) => kind == Kind.Message
        ? new ContentPart("output_text", whole) { Annotations = [], Logprobs = [.. logprobs] }
        : new ContentPart("reasoning_text", whole);
}
