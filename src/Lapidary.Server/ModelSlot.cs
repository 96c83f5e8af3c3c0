using Lapidary.Server.Errors;

namespace Lapidary.Server;

/// <summary>The model that is served, once it is loaded.</summary>
internal sealed class ModelSlot
{
    private volatile ServedModel? model;

    public bool IsLoaded => model is not null;

    /// <exception cref="ApiException">503: it is still loading.</exception>
    public ServedModel Model => model ?? throw ApiException.Unavailable("model_loading", "The model is still loading; try again in a moment.", TimeSpan.FromSeconds(5));

    /// <exception cref="ApiException">503: a defect has stopped the engine; only a new process helps.</exception>
    public void ThrowIfFailed()
    {
        if (model?.Engine.Failure is not null) throw ApiException.Unavailable("engine_failed", "The engine has failed; the log says why. Restart the server.", TimeSpan.FromSeconds(30));
    }

    public void Set(ServedModel loaded) => model = loaded;
}
