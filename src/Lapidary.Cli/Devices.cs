using Lapidary.Cpu;
using Lapidary.Verification;

namespace Lapidary.Cli;

/// <summary>The devices this program knows, by name.</summary>
internal static class Devices
{
    public const string CpuName = "cpu";

    private static readonly string[] Names = [CpuName];

    /// <exception cref="RequestException">The number of threads is out of range.</exception>
    public static CpuKernels Cpu(int? threads) => Cpu(new CpuOptions { Threads = threads });

    /// <summary>With the arithmetic that the model's kind of file is made for.</summary>
    /// <inheritdoc cref="Cpu(int?)"/>
    public static CpuKernels CpuFor(string model, int? threads) => CpuFor(model, new CpuOptions { Threads = threads, Arithmetic = CpuChoices.ArithmeticOf(model) });

    /// <summary>With the model's packed weights, if there are any, and bfloat16 weights copied where the copy fits.</summary>
    /// <inheritdoc cref="Cpu(int?)"/>
    public static CpuKernels CpuFor(string model, CpuOptions options)
        => Cpu(options with { Panels = PackedFile.Find(model, options), CompactBFloat16 = WeightMemory.Fits(model, models: 1) });

    /// <inheritdoc cref="Cpu(int?)"/>
    public static CpuKernels Cpu(CpuOptions options)
    {
        if (options.Threads is < 1 or > 1024) throw new RequestException($"--threads is {options.Threads}, expected 1 to 1024");
        if (options.Pin && ThreadAffinity.Refusal(options.Threads ?? Environment.ProcessorCount) is { } refusal) throw new RequestException($"--pin: {refusal}");
        return new CpuKernels(options);
    }

    /// <summary>The device that a configuration asks for, with its arithmetic.</summary>
    /// <param name="model">Folder or file of the model, unless the configuration names another.</param>
    /// <exception cref="RequestException">No device or arithmetic of that name; the message lists the known ones.</exception>
    public static IKernels Open(ModelVariant variant, string model)
    {
        if (variant.Device is { } device && device != CpuName)
            throw new RequestException($"unknown device {MessageText.Quote(device)}; this program has {string.Join(", ", Names)}");
        if (variant.Arithmetic is { } arithmetic && !CpuChoices.ArithmeticNames.Contains(arithmetic))
            throw new RequestException($"unknown arithmetic {MessageText.Quote(arithmetic)}; known: {string.Join(", ", CpuChoices.ArithmeticNames)}");
        string weights = variant.Model ?? model;
        return Cpu(new CpuOptions { Threads = variant.Threads, Arithmetic = CpuChoices.ArithmeticNamed(variant.Arithmetic, weights), CompactBFloat16 = WeightMemory.Fits(weights, models: 2) });
    }
}
