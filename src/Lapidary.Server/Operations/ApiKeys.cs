using System.Security.Cryptography;
using System.Text;
using Lapidary.Server.Errors;

namespace Lapidary.Server.Operations;

/// <summary>
/// Lets a request in that carries one of the keys, as "Authorization: Bearer KEY" or "x-api-key: KEY". Every route needs
/// one, known or not, except those marked <see cref="OpenToAll"/>. Keys are compared by hash in constant time.
/// </summary>
internal sealed class ApiKeys(RequestDelegate next, ServerOptions options)
{
    private readonly byte[][] hashes = [.. options.ApiKeys.Select(Hash)];

    public Task InvokeAsync(HttpContext context)
    {
        if (hashes.Length == 0 || context.GetEndpoint()?.Metadata.GetMetadata<OpenToAll>() is not null) return next(context);
        return Given(context.Request) is { } key && IsKnown(key) ? next(context) : throw new ApiException(
            StatusCodes.Status401Unauthorized, "Missing or wrong API key; send one of the server's keys as \"Authorization: Bearer KEY\".")
        {
            Type = "authentication_error",
            Code = "invalid_api_key",
        };
    }

    public static string? Given(HttpRequest request)
    {
        const string bearer = "Bearer ";
        string authorization = request.Headers.Authorization.ToString();
        if (authorization.StartsWith(bearer, StringComparison.OrdinalIgnoreCase)) return authorization[bearer.Length..].Trim();
        return request.Headers["x-api-key"] is [{ Length: > 0 } key] ? key : null;
    }

    private bool IsKnown(string key)
    {
        byte[] hash = Hash(key);
        bool known = false;
        foreach (byte[] candidate in hashes) known |= CryptographicOperations.FixedTimeEquals(hash, candidate); // no early end: time tells nothing
        return known;
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}

/// <summary>Marks a route that needs no API key.</summary>
internal sealed record OpenToAll;
