using System.Text.Json;
using Lapidary.Templates;

namespace Lapidary.Cli;

/// <summary>The messages of a conversation as an OpenAI-style request.</summary>
internal sealed class ChatHistory
{
    private readonly List<(string Role, string Content)> messages = [];

    public bool Think { get; set; }
    public IReadOnlyList<(string Role, string Content)> Messages => messages;

    public void Add(string role, string content) => messages.Add((role, content));

    /// <summary>Forgets everything but a system message.</summary>
    public void Clear() => messages.RemoveAll(m => m.Role != "system");

    /// <summary>Sets the system message, which comes first.</summary>
    public void SetSystem(string content)
    {
        messages.RemoveAll(m => m.Role == "system");
        messages.Insert(0, ("system", content));
    }

    /// <summary>Takes back the last message, e.g. of a turn that failed.</summary>
    public void RemoveLast() => messages.RemoveAt(messages.Count - 1);

    public ChatRequest Request()
    {
        using MemoryStream json = new();
        using (Utf8JsonWriter writer = new(json))
        {
            writer.WriteStartObject();
            writer.WriteStartArray("messages");
            foreach ((string role, string content) in messages)
            {
                writer.WriteStartObject();
                writer.WriteString("role", role);
                writer.WriteString("content", content);
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
            if (Think)
            {
                writer.WriteStartObject("chat_template_kwargs");
                writer.WriteBoolean("enable_thinking", true);
                writer.WriteEndObject();
            }
            writer.WriteEndObject();
        }
        return ChatRequest.Parse(json.ToArray());
    }
}
