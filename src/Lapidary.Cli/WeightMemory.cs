namespace Lapidary.Cli;

/// <summary>Whether a model's weights can be copied to memory, rather than mapped: a mapped page can go and come back.</summary>
internal static class WeightMemory
{
    private const double CopiedShare = 0.78; // of the bytes of bfloat16 weights
    private const double UsableShare = 0.85; // of memory: the rest is for keys, values, other programs

    /// <param name="model">Folder or file.</param>
    /// <param name="models">Of that size that are open at once.</param>
    public static bool Fits(string model, int models)
        => models * CopiedShare * FileBytes(model) <= UsableShare * GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    private static long FileBytes(string model)
        => File.Exists(model) ? Length(new FileInfo(model))
        : Directory.Exists(model) ? new DirectoryInfo(model).EnumerateFiles().Where(file => file.Extension is ".safetensors" or ".gguf").Sum(Length)
        : 0; // opening it will say that it is not there

    /// <summary>Of what a link leads to: HuggingFace's cache keeps links. What it leads to may be missing.</summary>
    private static long Length(FileInfo file)
        => (file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? file) is { Exists: true } target ? target.Length : 0;
}
