using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Models;

namespace Lapidary.Cli;

/// <summary>The packed weights that lie beside a model.</summary>
internal static class PackedFile
{
    private const string Extension = ".packed";

    /// <summary>Where packed weights of a model are looked for: FILE.gguf.packed, or FOLDER.packed beside a folder.</summary>
    public static string PathOf(string model) => Path.TrimEndingDirectorySeparator(model) + Extension;

    public static string SourceOf(string model) => FileFingerprint.Of(ModelFiles.SourceFiles(model));

    /// <summary>The packed weights of a model; null without, or when they cannot be used here, of which a warning tells.</summary>
    public static PackedWeights? Find(string model, CpuOptions options)
    {
        string path = PathOf(model);
        if (options.Arithmetic == Arithmetic.Exact || !File.Exists(path)) return null;
        try
        {
            return PackedWeights.Open(path, SourceOf(model));
        }
        catch (CheckpointException exception)
        {
            Console.Error.WriteLine($"warning: {exception.Message}; weights are packed at load");
            return null;
        }
    }

    /// <summary>Loads a model, packing its weights, and writes them.</summary>
    /// <exception cref="LapidaryException">The model cannot be served, packs nothing, or the file cannot be written.</exception>
    public static PackReport Write(string model, string path, CancellationToken cancel)
    {
        PackedWeightsWriter writer = new();
        CpuOptions options = new() { Arithmetic = Arithmetic.Fast, Panels = writer };
        string source = SourceOf(model); // before loading: a file that changes meanwhile does not match afterwards
        using CpuKernels kernels = Devices.Cpu(options);
        ProgressBar loading = new("packing", "layer"), writing = new("writing", "matrix");
        using LanguageModel loaded = LanguageModel.Open(model, kernels, new LanguageModelOptions { ContextLength = 1, MaxStepTokens = 1, Progress = loading.Update });
        loading.Clear();
        if (writer.Matrices == 0) throw new BackendException($"{model} has no integer weights; nothing is packed at load");
        writer.Write(path, source, writing.Update, cancel);
        writing.Clear();
        return new PackReport(path, writer.Matrices, new FileInfo(path).Length);
    }
}

/// <summary>What <c>quantize --format packed</c> prints.</summary>
internal sealed record PackReport(string File, int Matrices, long Bytes);
