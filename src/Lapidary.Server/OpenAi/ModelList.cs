namespace Lapidary.Server.OpenAi;

/// <summary>GET /v1/models.</summary>
internal sealed record ModelList(IReadOnlyList<ModelCard> Data)
{
    public string Object { get; } = "list";
}

/// <param name="Root">The checkpoint that is served, or a LoRA adapter's folder.</param>
/// <param name="Parent">Of an adapter: the model it adapts.</param>
internal sealed record ModelCard(string Id, long Created, string Root, string? Parent, int MaxModelLen)
{
    public string Object { get; } = "model";
    public string OwnedBy { get; } = "lapidary";
}
