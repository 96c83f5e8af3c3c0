using System.Text.Json;
using Lapidary.Server.Errors;

namespace Lapidary.Server.Requests;

/// <summary>Parameters of OpenAI's own service that say nothing about the text.</summary>
internal static class OpenAiFields
{
    /// <summary>Checks them; what would change something there and cannot here is refused.</summary>
    public static void AcceptBookkeeping(Fields body)
    {
        _ = body.Text("user");
        _ = body.Text("safety_identifier");
        _ = body.Text("prompt_cache_key");
        _ = body.Text("prompt_cache_retention");
        _ = body.Word("service_tier", "auto", "default", "flex", "priority", "scale");
        RequireMetadata(body);
        body.RefuseFlag("store", "this server keeps no answers");
    }

    /// <summary>A wish for short or long answers, which no model here was trained to read: checked, without effect (docs/api.md).</summary>
    public static void AcceptVerbosity(Fields fields) => _ = fields.Word("verbosity", "low", "medium", "high");

    /// <summary>OpenAI's bounds.</summary>
    private static void RequireMetadata(Fields body)
    {
        const int most = 16, longestKey = 64, longestValue = 512;
        if (body.Take("metadata") is not { } metadata) return;
        if (metadata.ValueKind != JsonValueKind.Object) throw JsonValues.Wrong(metadata, "metadata", "an object of strings");
        if (metadata.GetPropertyCount() > most) throw ApiException.Invalid("metadata", $"metadata has {metadata.GetPropertyCount()} members, more than the {most} allowed");
        foreach (JsonProperty member in metadata.EnumerateObject())
        {
            string path = $"metadata.{member.Name[..Math.Min(member.Name.Length, longestKey)]}";
            if (member.Name.Length > longestKey) throw ApiException.Invalid(path, $"{MessageText.Quote(path)} has a name of {member.Name.Length} characters, more than the {longestKey} allowed");
            if (JsonValues.Text(member.Value, path).Length > longestValue) throw ApiException.Invalid(path, $"{MessageText.Quote(path)} has more than the {longestValue} characters allowed");
        }
    }
}
