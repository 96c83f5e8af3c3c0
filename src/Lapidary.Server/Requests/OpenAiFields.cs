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
        _ = body.Object("metadata");
        body.RefuseFlag("store", "this server keeps no answers");
    }
}
