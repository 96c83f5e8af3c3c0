using Lapidary.Server.Errors;

namespace Lapidary.Server.Requests;

/// <summary>One part of a message: text, in any of the APIs' words, or a clear no.</summary>
internal static class TextParts
{
    private static readonly string[] Others =
        ["image_url", "input_audio", "audio_url", "video_url", "file", "image", "input_image", "input_file", "audio", "video", "document", "search_result"];

    public static string Read(Fields part)
    {
        string type = part.RequiredText("type");
        if (Others.Contains(type)) throw part.Unsupported("type", $"this model takes text only, and the part is {type}");
        string member = type switch
        {
            "text" or "input_text" or "output_text" => "text",
            "refusal" => "refusal",
            _ => throw ApiException.Invalid(part.At("type"), $"{part.At("type")} is {MessageText.Quote(type)}, expected text"),
        };
        string text = part.RequiredText(member);
        part.Accept("annotations", "cache_control", "citations", "logprobs"); // of an answer that is sent back, and hints for caches
        part.Done();
        return text;
    }
}
