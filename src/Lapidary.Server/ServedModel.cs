using Lapidary.Models;
using Lapidary.Server.OpenAi;

namespace Lapidary.Server;

/// <summary>A loaded model with its names in the API.</summary>
public sealed class ServedModel
{
    private readonly IReadOnlyList<string> names;

    public ServedModel(LanguageModel model, IReadOnlyList<string> names)
    {
        Model = model;
        this.names = names;
    }

    internal LanguageModel Model { get; }

    internal DateTimeOffset Loaded { get; } = DateTimeOffset.UtcNow;

    internal string Name => names[0];

    internal IEnumerable<ModelCard> Cards()
        => names.Select(name => new ModelCard(name, Loaded.ToUnixTimeSeconds(), Path.GetFileName(Path.TrimEndingDirectorySeparator(Model.Folder)), Parent: null, Model.ContextLength));
}
