using System.Security.Cryptography;
using System.Text;
using System.Threading.RateLimiting;
using Lapidary.Server.Errors;

namespace Lapidary.Server.Operations;

/// <summary>So many requests a minute for each API key, or for each address where there are no keys; what exceeds them is answered 429.</summary>
internal sealed class RateLimit(RequestDelegate next, ServerOptions options, PartitionedRateLimiter<HttpContext> limiter)
{
    public static PartitionedRateLimiter<HttpContext> Limiter(ServerOptions options) => PartitionedRateLimiter.Create<HttpContext, string>(context =>
        options.RequestsPerMinute is { } most ? RateLimitPartition.GetTokenBucketLimiter(Client(context, options), _ => new TokenBucketRateLimiterOptions
        {
            TokenLimit = most,
            TokensPerPeriod = 1,
            ReplenishmentPeriod = TimeSpan.FromMinutes(1) / most,
            QueueLimit = 0,
        }) : RateLimitPartition.GetNoLimiter(""));

    public async Task InvokeAsync(HttpContext context)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<Probe>() is not null)
        {
            await next(context);
            return;
        }
        using RateLimitLease lease = limiter.AttemptAcquire(context);
        if (!lease.IsAcquired)
            throw new ApiException(StatusCodes.Status429TooManyRequests, $"More than {options.RequestsPerMinute} requests a minute; slow down.")
            {
                Type = "rate_limit_error",
                Code = "rate_limit_exceeded",
                RetryAfter = lease.TryGetMetadata(MetadataName.RetryAfter, out TimeSpan wait) ? wait : TimeSpan.FromSeconds(1),
            };
        await next(context);
    }

    /// <summary>Keys are kept as hashes only.</summary>
    private static string Client(HttpContext context, ServerOptions options) => options.ApiKeys.Count > 0 && ApiKeys.Given(context.Request) is { } key
        ? Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(key)))
        : context.Connection.RemoteIpAddress?.ToString() ?? "";
}
