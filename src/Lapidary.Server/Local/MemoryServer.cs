using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;

namespace Lapidary.Server.Local;

/// <summary>Takes requests from this process in place of a socket.</summary>
internal sealed class MemoryServer : IServer
{
    private Func<IFeatureCollection, Task>? process;

    public IFeatureCollection Features { get; } = new FeatureCollection();

    public Task StartAsync<TContext>(IHttpApplication<TContext> application, CancellationToken cancellationToken) where TContext : notnull
    {
        process = async features =>
        {
            TContext context = application.CreateContext(features);
            Exception? failure = null;
            try
            {
                await application.ProcessRequestAsync(context);
            }
            catch (Exception exception)
            {
                failure = exception;
                throw;
            }
            finally
            {
                application.DisposeContext(context, failure);
            }
        };
        return Task.CompletedTask;
    }

    /// <summary>A POST of JSON.</summary>
    public async Task<LocalAnswer> PostAsync(string path, byte[] body, CancellationToken cancel)
    {
        using MemoryStream request = new(body, writable: false), response = new();
        HttpRequestFeature asked = new() { Method = HttpMethods.Post, Scheme = "http", Protocol = "HTTP/1.1", Path = path, RawTarget = path, Body = request };
        asked.Headers.ContentType = "application/json";
        asked.Headers.ContentLength = body.Length;
        HttpResponseFeature answered = new();
        FeatureCollection features = new();
        features.Set<IHttpRequestFeature>(asked);
        features.Set<IHttpResponseFeature>(answered);
        features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(response));
        features.Set<IHttpRequestLifetimeFeature>(new HttpRequestLifetimeFeature { RequestAborted = cancel });
        await process!(features);
        cancel.ThrowIfCancellationRequested();
        return new LocalAnswer(answered.StatusCode, answered.Headers["X-Request-Id"].ToString(), response.ToArray());
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() { }
}
