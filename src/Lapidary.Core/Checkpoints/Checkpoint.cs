namespace Lapidary.Checkpoints;

/// <summary>Opens HuggingFace checkpoints.</summary>
public static class Checkpoint
{
    public const string SingleFile = "model.safetensors";
    public const string IndexFile = "model.safetensors.index.json";

    /// <summary>
    /// Opens a safetensors file, an index file (*.index.json), or a folder that has model.safetensors or, failing that,
    /// model.safetensors.index.json with its shards: the order in which transformers looks.
    /// </summary>
    /// <exception cref="CheckpointException">Nothing to open there, or what is there is damaged; the message says which.</exception>
    public static ICheckpoint Open(string path)
    {
        if (!Directory.Exists(path)) return path.EndsWith(".index.json", StringComparison.Ordinal) ? ShardedCheckpoint.Open(path) : SafetensorsFile.Open(path);
        string single = Path.Combine(path, SingleFile), index = Path.Combine(path, IndexFile);
        if (File.Exists(single)) return SafetensorsFile.Open(single);
        if (File.Exists(index)) return ShardedCheckpoint.Open(index);
        throw new CheckpointException($"{path}: found neither {SingleFile} nor {IndexFile}; {WhatIsThere(path)}");
    }

    private static string WhatIsThere(string folder)
    {
        string[] names;
        try
        {
            names = [.. Directory.EnumerateFileSystemEntries(folder).Take(1000).Select(entry => Path.GetFileName(entry)!)];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{folder}: cannot be listed: {exception.Message}", exception);
        }
        if (names.Length == 0) return "the folder is empty";
        string found = $"found {MessageText.Some(names, 6)}";
        if (names.Any(name => name.EndsWith(".safetensors", StringComparison.Ordinal)))
            return $"{found}: name one .safetensors file, or download the index of the shards";
        if (names.Any(name => name.EndsWith(".gguf", StringComparison.Ordinal))) return $"{found}: only GGUF, download the safetensors checkpoint";
        if (names.Any(name => name.EndsWith(".bin", StringComparison.Ordinal) || name.EndsWith(".pt", StringComparison.Ordinal)))
            return $"{found}: only PyTorch files, convert them to safetensors";
        return found;
    }
}
