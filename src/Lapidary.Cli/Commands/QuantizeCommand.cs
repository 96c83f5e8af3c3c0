using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Lapidary.Cli.Reports;
using Lapidary.Models;
using Lapidary.Quantization.Encoding;
using Lapidary.Verification;

namespace Lapidary.Cli.Commands;

/// <summary>Writes a quantised copy of a model and says what it costs.</summary>
internal static class QuantizeCommand
{
    private const int DefaultGroupSize = 128, GreedyTokens = 32;
    private const double DefaultShardGigabytes = 5;
    private const string Packed = "packed";
    private static readonly string[] Formats = ["int2", "int3", "int4", "int5", "int6", "int7", "int8", "fp8", "nvfp4", "mxfp4"];

    private static readonly Argument<string?> Model = new("model") { Description = "Model folder; the embedded model by default.", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<string> Format = new("--format") { Description = $"How weights are stored: {string.Join(", ", Formats)}; or {Packed}: as they are, in the order processors multiply, to be mapped at the next start in place of packing at load.", Required = true };
    private static readonly Option<int?> GroupSize = new("--group-size") { Description = $"Columns that share a scale, 0 for a whole row. int2 to int7: {DefaultGroupSize} by default; int8: 0; fp8: 0, else the side of square blocks; nvfp4 and mxfp4 have 16 and 32." };
    private static readonly Option<bool> Asymmetric = new("--asymmetric") { Description = "Integers with a zero point for each group." };
    private static readonly Option<string[]> Ignore = new("--ignore") { Description = "A module to leave as it is, a name or re: and a regular expression; may be given several times. Embeddings, head, routers and norms always are.", HelpName = "NAME" };
    private static readonly Option<string?> Out = new("--out") { Description = $"Folder to write; it must not exist or be empty. For {Packed} a file, MODEL.packed by default, where it is found.", HelpName = "DIR" };
    private static readonly Option<double> Shard = new("--shard-gb") { Description = "Most gigabytes of one weight file.", DefaultValueFactory = _ => DefaultShardGigabytes };
    private static readonly Option<string?> Text = new("--text") { Description = "Also compare both models on this text, a UTF-8 file; \"-\" for standard input.", HelpName = "FILE" };
    private static readonly Option<int?> Tokens = new("--tokens") { Description = "Use only the first so many tokens of the text." };
    private static readonly Option<bool> Json = new("--json") { Description = "One JSON object, with every matrix." };

    public static Command Create()
    {
        Command command = new("quantize", "Write a quantised copy of a model, in the layout of compressed-tensors, and say what it costs.") { Model, Format, GroupSize, Asymmetric, Ignore, Out, Shard, Text, Tokens, Json };
        command.SetAction((parsed, cancel) =>
        {
            string folder = parsed.GetValue(Model) ?? DefaultModel.Locate();
            if (parsed.GetValue(Format) == Packed)
            {
                Pack(parsed, folder, cancel);
                return Task.FromResult(0);
            }
            string output = parsed.GetValue(Out) ?? throw new RequestException("--out is missing: name a folder to write");
            double shard = parsed.GetValue(Shard);
            if (shard is not (>= 0.001 and <= 1e6)) throw new RequestException($"--shard-gb is {shard}, expected 0.001 to 1000000");
            QuantizeOptions options = new(Encoder(parsed), parsed.GetValue(Ignore) ?? [], (long)(shard * 1e9));
            string? text = parsed.GetValue(Text) is { } file ? TextOptions.Read(file) : null; // before the work, should it not be readable

            ProgressBar bar = new("quantising", "matrix");
            QuantizeResult result = CheckpointQuantizer.Run(folder, output, options, bar.Update, cancel);
            bar.Clear();
            QualityReport? quality = text is null ? null : new ModelComparison(folder, text, context: null, parsed.GetValue(Tokens))
                .Run(ModelVariant.Parse([]), ModelVariant.Parse([$"model={output}"]), GreedyTokens, cancel).Report;
            QuantizeReport report = QuantizeReport.Of(result, options.Encoder, quality);
            if (parsed.GetValue(Json)) Console.WriteLine(JsonSerializer.Serialize(report, CliJson.Default.QuantizeReport));
            else report.Print();
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Pack(ParseResult parsed, string model, CancellationToken cancel)
    {
        foreach (Option option in (Option[])[GroupSize, Asymmetric, Ignore, Shard, Text, Tokens])
            if (parsed.GetResult(option) is { Implicit: false }) throw new RequestException($"{option.Name} is not for --format {Packed}, which changes no weight");
        PackReport report = PackedFile.Write(model, parsed.GetValue(Out) ?? PackedFile.PathOf(model), cancel);
        Console.WriteLine(parsed.GetValue(Json)
            ? JsonSerializer.Serialize(report, CliJson.Default.PackReport)
            : string.Create(CultureInfo.InvariantCulture, $"{report.File}: {report.Matrices} matrices, {report.Bytes / 1e6:0.0} MB"));
    }

    private static WeightEncoder Encoder(ParseResult parsed)
    {
        string format = parsed.GetValue(Format)!;
        if (!Formats.Contains(format)) throw new RequestException($"--format is {MessageText.Quote(format)}; known: {string.Join(", ", Formats)}, {Packed}");
        int? groupSize = parsed.GetValue(GroupSize);
        bool integer = format.StartsWith("int", StringComparison.Ordinal);
        if (groupSize is < 0 or > 1 << 20) throw new RequestException($"--group-size is {groupSize}, expected 0 for whole rows, or up to {1 << 20}");
        if (parsed.GetValue(Asymmetric) && !integer) throw new RequestException($"--asymmetric is for integers; {format} has no zero points");
        if (integer)
        {
            int bits = format[^1] - '0';
            return new IntegerEncoder(bits, groupSize ?? (bits == 8 ? 0 : DefaultGroupSize), parsed.GetValue(Asymmetric) ? ZeroPointKind.PerGroup : ZeroPointKind.None);
        }
        if (format == "fp8") return new Fp8Encoder(groupSize ?? 0);
        int fixedSize = format == "nvfp4" ? 16 : 32;
        if (groupSize is not null && groupSize != fixedSize) throw new RequestException($"--group-size is {groupSize}; {format} has {fixedSize}");
        return format == "nvfp4" ? Fp4Encoder.Nvfp4 : Fp4Encoder.Mxfp4;
    }
}
