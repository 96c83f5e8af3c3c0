using Lapidary.Server.Adapters;
using Lapidary.Server.Anthropic;
using Lapidary.Server.Docs;
using Lapidary.Server.Errors;
using Lapidary.Server.Metrics;
using Lapidary.Server.OpenAi;
using Lapidary.Server.OpenAi.Chat;
using Lapidary.Server.OpenAi.Completions;
using Lapidary.Server.OpenAi.Embeddings;
using Lapidary.Server.OpenAi.Responses;
using Lapidary.Server.Operations;
using Lapidary.Server.Tokens;

namespace Lapidary.Server;

/// <summary>Every route of the server.</summary>
internal static class Routes
{
    public static void Map(WebApplication app, ApiServices api)
    {
        ModelSlot slot = api.Slot;
        Get(app, "/health", Health).WithMetadata(new OpenToAll(), new Probe());
        app.MapMethods("/ping", [HttpMethods.Get, HttpMethods.Head, HttpMethods.Post], Health).WithMetadata(new OpenToAll(), new Probe()); // what SageMaker asks
        Get(app, "/ready", context =>
        {
            _ = slot.Model;
            slot.ThrowIfFailed();
            if (!api.Admission.IsOpen) throw Admission.ShuttingDown();
            return context.Response.WriteJsonAsync(new ServerStatus("ready"), ServerJson.Default.ServerStatus);
        }).WithMetadata(new OpenToAll(), new Probe());
        Get(app, "/metrics", context =>
        {
            context.Response.ContentType = PrometheusText.ContentType;
            return context.Response.WriteAsync(api.Metrics.ToPrometheus(slot.Model), context.RequestAborted);
        }).WithMetadata(new Probe());
        Get(app, "/load", context => context.Response.WriteJsonAsync(new ServerLoad(api.Admission.Running), ServerJson.Default.ServerLoad)).WithMetadata(new Probe());
        Get(app, "/openapi.json", ApiDocument.WriteJson);
        Get(app, "/docs", ApiDocument.WritePage);
        Get(app, "/version", context => context.Response.WriteJsonAsync(ServerVersion.Current, ServerJson.Default.ServerVersion));
        Get(app, "/v1/models", context => context.Response.WriteJsonAsync(new ModelList([.. slot.Model.Cards()]), ServerJson.Default.ModelList));
        Get(app, "/v1/models/{**id}", context =>
        {
            string id = ((string)context.Request.RouteValues["id"]!).Replace("%2F", "/", StringComparison.OrdinalIgnoreCase); // what routing leaves encoded, and clients encode
            ModelCard card = slot.Model.Cards().FirstOrDefault(c => c.Id == id) ?? throw ApiException.ModelNotFound(id);
            return context.Response.WriteJsonAsync(card, ServerJson.Default.ModelCard);
        });
        app.MapPost("/v1/chat/completions", new ChatEndpoint(api).Handle);
        app.MapPost("/v1/completions", new CompletionEndpoint(api).Handle);
        app.MapPost("/v1/responses", new ResponseEndpoint(api).Handle);
        app.MapPost("/v1/embeddings", new EmbeddingEndpoint(api).Handle);
        MessageEndpoint messages = new(api);
        app.MapPost("/v1/messages", messages.Handle);
        app.MapPost("/v1/messages/count_tokens", messages.CountTokens);
        AdapterEndpoint adapters = new(api);
        app.MapPost("/v1/load_lora_adapter", adapters.Load);
        app.MapPost("/v1/unload_lora_adapter", adapters.Unload);
        TokenizeEndpoint tokens = new(api);
        app.MapPost("/tokenize", tokens.Tokenize);
        app.MapPost("/detokenize", tokens.Detokenize);

        Task Health(HttpContext context)
        {
            slot.ThrowIfFailed();
            return context.Response.WriteJsonAsync(new ServerStatus("ok"), ServerJson.Default.ServerStatus);
        }
    }

    private static IEndpointConventionBuilder Get(WebApplication app, string path, RequestDelegate answer) => app.MapMethods(path, [HttpMethods.Get, HttpMethods.Head], answer);
}
