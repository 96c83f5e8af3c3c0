using Lapidary.Server.Errors;

namespace Lapidary.Server;

/// <summary>The model that is served, once it is loaded.</summary>
internal sealed class ModelSlot
{
    private volatile ServedModel? model;

    public bool IsLoaded => model is not null;

    /// <exception cref="ApiException">503: it is still loading.</exception>
    public ServedModel Model => model ?? throw ApiException.Unavailable("model_loading", "The model is still loading; try again in a moment.", TimeSpan.FromSeconds(5));

    public void Set(ServedModel loaded) => model = loaded;
}
