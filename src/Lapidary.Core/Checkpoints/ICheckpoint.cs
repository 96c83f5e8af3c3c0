namespace Lapidary.Checkpoints;

/// <summary>A set of named tensors: one safetensors file, a sharded set, or a view that changes some of them.</summary>
public interface ICheckpoint : IDisposable
{
    /// <summary>What to show in messages, e.g. the folder or file.</summary>
    string Location { get; }

    IReadOnlyCollection<string> Names { get; }

    /// <summary>The tensor of that name, or null when there is none.</summary>
    StoredTensor? Find(string name);

    /// <summary>The file that holds the tensor of that name, for messages; <see cref="Location"/> when there is none.</summary>
    string LocationOf(string name) => Location;
}
