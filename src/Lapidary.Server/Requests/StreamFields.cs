using Lapidary.Server.Errors;

namespace Lapidary.Server.Requests;

/// <summary>stream and stream_options.</summary>
/// <param name="IncludeUsage">A last chunk without choices tells the usage.</param>
/// <param name="ContinuousUsage">So does every other chunk, as vLLM offers: only together with include_usage.</param>
internal sealed record StreamFields(bool IsStream, bool IncludeUsage, bool ContinuousUsage)
{
    public static StreamFields Read(Fields body)
    {
        bool stream = body.Flag("stream") ?? false;
        if (body.Object("stream_options") is not { } options) return new StreamFields(stream, false, false);
        if (!stream) throw ApiException.Invalid("stream_options", "stream_options needs stream to be true");
        bool usage = options.Flag("include_usage") ?? false, continuous = options.Flag("continuous_usage_stats") ?? false;
        options.RefuseFlag("include_obfuscation", "it is not implemented");
        options.Done();
        return new StreamFields(stream, usage, usage && continuous);
    }
}
