using System.CommandLine;
using Lapidary.Cpu;

namespace Lapidary.Cli;

/// <summary>Options about the processor.</summary>
internal sealed class CpuChoices
{
    private const string Auto = "auto", Exact = "exact", Fast = "fast";

    public const string AboutArithmetic = "exact: hidden states in float32, as HuggingFace; fast: rounded to what the processor multiplies fastest, as llama.cpp; auto: fast for GGUF files and synthetic weights, else exact.";
    public static readonly string[] ArithmeticNames = [Auto, Exact, Fast];

    private readonly Option<int?> threads = new("--threads") { Description = "Worker threads; one per processor by default." };
    private readonly Option<bool> pin = PinOption();
    private readonly Option<string> arithmetic = new("--arithmetic")
    {
        Description = AboutArithmetic,
        DefaultValueFactory = _ => Auto,
    };
    private readonly Option<bool> noAssembly = new("--no-assembly") { Description = "Assemble no kernels at run time." };

    public static Option<bool> PinOption() => new("--pin") { Description = "Keep each worker thread on a processor of its own (Linux): on a machine that is otherwise idle steps vary less." };

    public CpuChoices() => arithmetic.AcceptOnlyFromAmong(ArithmeticNames);

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[threads, pin, arithmetic, noAssembly]) command.Options.Add(option);
    }

    /// <param name="model">Folder or file of the model, for "auto".</param>
    /// <exception cref="RequestException">The number of threads is out of range.</exception>
    public CpuKernels Open(ParseResult parsed, string? model)
    {
        CpuOptions options = Options(parsed, model);
        return model is null ? Devices.Cpu(options) : Devices.CpuFor(model, options);
    }

    private CpuOptions Options(ParseResult parsed, string? model) => new()
    {
        Threads = parsed.GetValue(threads),
        Pin = parsed.GetValue(pin),
        Arithmetic = Chosen(parsed, model),
        Assembly = parsed.GetValue(noAssembly) ? AssemblyUse.Refused : AssemblyUse.Allowed,
    };

    public Arithmetic Chosen(ParseResult parsed, string? model) => ArithmeticNamed(parsed.GetValue(arithmetic), model);

    /// <param name="name">One of <see cref="ArithmeticNames"/>; null for "auto".</param>
    /// <param name="model">Folder or file of the model.</param>
    public static Arithmetic ArithmeticNamed(string? name, string? model) => name switch
    {
        Exact => Arithmetic.Exact,
        Fast => Arithmetic.Fast,
        _ => ArithmeticOf(model),
    };

    /// <summary>Who runs a GGUF file expects the arithmetic that these files are made for.</summary>
    public static Arithmetic ArithmeticOf(string? model) => model is not null && IsGguf(model) ? Arithmetic.Fast : Arithmetic.Exact;

    private static bool IsGguf(string model) => model.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase)
        || (Directory.Exists(model) && !File.Exists(Path.Combine(model, "config.json")) && Directory.GetFiles(model, "*.gguf").Length == 1);
}
