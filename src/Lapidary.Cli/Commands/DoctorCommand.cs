using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Lapidary.Cpu;
using Lapidary.Cpu.Assembly;
using Lapidary.Models;
using Spectre.Console;

namespace Lapidary.Cli.Commands;

/// <summary>What this machine offers and which kernels run on it, with the reason.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        Option<bool> json = new("--json") { Description = "One JSON object." };
        Command command = new("doctor", "Show processor features, threads, memory, devices, and which kernels run and why.") { json };
        command.SetAction(parsed =>
        {
            Dictionary<string, string> facts = Facts();
            if (parsed.GetValue(json))
            {
                Console.WriteLine(JsonSerializer.Serialize(facts, CliJson.Default.DictionaryStringString));
                return;
            }
            Table table = new Table().Border(TableBorder.Rounded).HideHeaders().AddColumns("", "");
            foreach ((string name, string value) in facts) table.AddRow(Markup.Escape(name), Markup.Escape(value));
            AnsiConsole.Write(table);
        });
        return command;
    }

    private static string Assembled(string? refusal, string instructions)
        => refusal is null ? $"by kernels assembled at run time for {instructions}" : $"through vectors, since {refusal}";

    private static Dictionary<string, string> Facts()
    {
        using CpuKernels kernels = new(), fast = new(new CpuOptions { Threads = 1, Arithmetic = Arithmetic.Fast });
        GCMemoryInfo memory = GC.GetGCMemoryInfo();
        string embedded;
        try
        {
            embedded = DefaultModel.Locate();
        }
        catch (ConfigException exception)
        {
            embedded = exception.Message;
        }
        return new Dictionary<string, string>
        {
            ["runtime"] = $"{RuntimeInformation.FrameworkDescription}, {RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}",
            ["processor"] = CpuFeatures.ProcessorName,
            ["instruction sets"] = string.Join(", ", CpuFeatures.InstructionSets),
            ["threads"] = $"{kernels.Threads} (processors: {Environment.ProcessorCount})",
            ["memory"] = string.Create(CultureInfo.InvariantCulture, $"{memory.TotalAvailableMemoryBytes / 1e9:0.0} GB available to this process"),
            ["devices"] = "CPU",
            ["kernels"] = $"{CpuFeatures.VectorBits}-bit vectors: {CpuFeatures.WidthReason}",
            ["exact arithmetic"] = $"weights as stored, hidden states and sums in float32 (HuggingFace checkpoints); short rows {Assembled(AssemblySupport.RefusesShortRows(AssemblyUse.Allowed, CpuFeatures.VectorBits), "AVX2")}",
            ["fast arithmetic"] = $"hidden states rounded (GGUF files, or --arithmetic fast): int8 {Assembled(AssemblySupport.RefusesInt8(AssemblyUse.Allowed), AssemblySupport.Int8Instructions)}; bfloat16 {(AssemblySupport.RefusesBFloat16(AssemblyUse.Allowed) is { } refusal ? $"beside float32 hidden states, since {refusal}" : CpuFeatures.IsSlowAtBFloat16 ? "beside float32 hidden states, which the processor multiplies faster than pairs of bfloat16; AVX512-BF16 where weights stay as stored" : "by kernels assembled at run time for AVX512-BF16")}",
            ["bfloat16 weights"] = AssemblySupport.RefusesCompact(AssemblyUse.Allowed) is { } reason ? $"as stored, since {reason}" : "in three quarters of their bytes where memory has room",
            ["keys and values"] = $"{kernels.DefaultKeyValueType.Name()} under exact arithmetic, {fast.DefaultKeyValueType.Name()} under fast; --kv-cache-dtype {string.Join(", ", KeyValueTypes.Names)}",
            ["expert backends"] = string.Join("; ", kernels.ExpertBackends.Select(b => $"{b.Name}: {b.Purpose}")),
            ["embedded model"] = embedded,
        };
    }
}
