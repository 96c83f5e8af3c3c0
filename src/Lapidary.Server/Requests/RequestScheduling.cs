using Lapidary.Server.Errors;

namespace Lapidary.Server.Requests;

/// <summary>What a request says of its place in the queue and the cache.</summary>
/// <param name="Priority">Lower ones are served first, as in vLLM.</param>
/// <param name="CacheSalt">Prompts are shared only with requests of the same salt.</param>
internal sealed record RequestScheduling(int Priority, string? CacheSalt)
{
    private const int LongestSalt = 1024;

    public static RequestScheduling Read(Fields body)
    {
        string? salt = body.Text("cache_salt");
        if (salt is { Length: 0 or > LongestSalt }) throw ApiException.Invalid("cache_salt", $"cache_salt has {salt.Length} characters, expected 1 to {LongestSalt}");
        body.Refuse("request_id", "send it as the X-Request-Id header");
        body.Refuse("session_id", "it is not implemented");
        return new RequestScheduling(body.Integer("priority") ?? 0, salt);
    }
}
