namespace Lapidary.Checkpoints;

/// <summary>Several safetensors files beside an index that says which tensor is in which; both must agree exactly.</summary>
public sealed class ShardedCheckpoint : ICheckpoint
{
    private readonly Dictionary<string, SafetensorsFile> shardOf;
    private readonly SafetensorsFile[] shards;

    private ShardedCheckpoint(string indexPath, Dictionary<string, SafetensorsFile> shardOf, SafetensorsFile[] shards)
    {
        Location = indexPath;
        this.shardOf = shardOf;
        this.shards = shards;
    }

    /// <summary>The index file.</summary>
    public string Location { get; }

    public IReadOnlyCollection<string> Names => shardOf.Keys;

    /// <summary>Opens the index and every shard.</summary>
    /// <exception cref="CheckpointException">
    /// The index or a shard is damaged, shards are missing, or index and shards list different tensors.
    /// </exception>
    public static ShardedCheckpoint Open(string indexPath)
    {
        Dictionary<string, string> map = ShardIndex.Read(indexPath);
        string folder = Path.GetDirectoryName(indexPath) ?? "";
        string[] files = [.. map.Values.Distinct().Order(StringComparer.Ordinal)];
        string[] missing = [.. files.Where(file => !File.Exists(Path.Combine(folder, file)))];
        if (missing.Length > 0)
        {
            throw new CheckpointException($"{indexPath}: {files.Length - missing.Length} of {files.Length} shards present, "
                + $"missing {MessageText.Some(missing, 4)}; download the rest");
        }

        List<SafetensorsFile> shards = [];
        try
        {
            foreach (string file in files) shards.Add(SafetensorsFile.Open(Path.Combine(folder, file)));
            return new ShardedCheckpoint(indexPath, Match(indexPath, map, files, shards), [.. shards]);
        }
        catch
        {
            foreach (SafetensorsFile shard in shards) shard.Dispose();
            throw;
        }
    }

    public StoredTensor? Find(string name) => shardOf.GetValueOrDefault(name)?.Find(name);

    public string LocationOf(string name) => shardOf.GetValueOrDefault(name)?.Location ?? Location;

    public void Dispose()
    {
        foreach (SafetensorsFile shard in shards) shard.Dispose();
    }

    private static Dictionary<string, SafetensorsFile> Match(
        string indexPath, Dictionary<string, string> map, string[] files, List<SafetensorsFile> shards)
    {
        Dictionary<string, SafetensorsFile> shardOf = new(map.Count, StringComparer.Ordinal);
        for (int index = 0; index < files.Length; index++)
        {
            foreach (string name in shards[index].Names)
            {
                if (shardOf.TryGetValue(name, out SafetensorsFile? other))
                    throw new CheckpointException($"{indexPath}: tensor {MessageText.Quote(name)} is in two shards, {Path.GetFileName(other.Location)} and {files[index]}");
                if (!map.TryGetValue(name, out string? expected))
                    throw new CheckpointException($"{indexPath}: tensor {MessageText.Quote(name)} is in {files[index]} but not in weight_map; index and shards are of different versions");
                if (expected != files[index])
                    throw new CheckpointException($"{indexPath}: weight_map puts tensor {MessageText.Quote(name)} in {expected}, it is in {files[index]}; index and shards are of different versions");
                shardOf.Add(name, shards[index]);
            }
        }
        foreach ((string name, string file) in map)
        {
            if (!shardOf.ContainsKey(name))
                throw new CheckpointException($"{indexPath}: weight_map puts tensor {MessageText.Quote(name)} in {file}, which does not hold it; index and shards are of different versions");
        }
        return shardOf;
    }
}
