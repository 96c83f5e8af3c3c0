using System.Text.Json.Nodes;
using Lapidary.Tests.Checkpoints;

namespace Lapidary.Tests.Cli;

/// <summary>The command as a user types it.</summary>
public sealed class QuantizeCommandTests
{
    [Fact]
    public void A_quantised_copy_is_written_measured_and_run()
    {
        using CheckpointFolder folder = new();
        folder.Write("text.txt", "Once upon a time, there was a little cat named Tom. Tom loved fish more than anything.");
        CommandResult result = LapidaryProcess.Run("quantize", Goldens.TinyModel, "--format", "int8", "--out", folder["int8"], "--text", folder["text.txt"], "--tokens", "12", "--json");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        JsonNode report = JsonNode.Parse(result.Output)!;
        Assert.Equal(438, report["weights"]!.AsArray().Count); // 8 layers of 7 projections, v_proj on 6, and 48 of experts
        Assert.All(report["weights"]!.AsArray(), weight => Assert.InRange(weight!["relative_error"]!.GetValue<double>(), 0.001, 0.02));
        Assert.InRange(report["quality"]!["mean_kl"]!.GetValue<double>(), 0, 1e-3);
        Assert.True(report["bytes_after"]!.GetValue<long>() < 0.6 * report["bytes_before"]!.GetValue<long>());

        CommandResult run = LapidaryProcess.Run("run", "--model", folder["int8"], "Write a story about a cat named Tom.", "--temperature", "0", "--max-tokens", "12");
        Assert.StartsWith("Once upon a time", run.Output);
        Assert.Contains("compressed-tensors pack-quantized, int8 per channel", run.Error);
        Assert.Contains("int8 per channel", LapidaryProcess.Run("inspect", folder["int8"], "--json").Output);
    }

    [Theory]
    [InlineData("int9", "known: int2")]
    [InlineData("int4 --group-size -1", "expected 0 for whole rows")]
    [InlineData("nvfp4 --group-size 32", "nvfp4 has 16")]
    [InlineData("fp8 --asymmetric", "no zero points")]
    [InlineData("int4 --shard-gb 0", "--shard-gb is 0")]
    [InlineData("int4 --text nowhere.txt", "nowhere.txt")]
    public void What_cannot_be_is_refused_before_any_work(string options, string says)
    {
        using CheckpointFolder folder = new();
        CommandResult result = LapidaryProcess.Run(["quantize", Goldens.TinyModel, "--out", folder["out"], "--format", .. options.Split(' ')]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(says, Assert.Single(result.ErrorLines), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void Packed_weights_are_used_at_the_next_start_unless_the_model_has_changed()
    {
        using CheckpointFolder folder = new();
        string model = folder["int4"], packed = $"{model}.packed";
        Assert.Equal(0, LapidaryProcess.Run("quantize", Goldens.TinyModel, "--format", "int4", "--group-size", "32", "--out", model).ExitCode);
        string[] run = ["run", "--model", model, "--arithmetic", "fast", "Write a story about a cat named Tom.", "--temperature", "0", "--max-tokens", "12"];
        string text = LapidaryProcess.Run(run).Output;

        CommandResult report = LapidaryProcess.Run("quantize", model, "--format", "packed", "--json");
        Assert.Equal((0, ""), (report.ExitCode, report.Error));
        Assert.Equal(438, JsonNode.Parse(report.Output)!["matrices"]!.GetValue<int>());
        string bench = LapidaryProcess.Run("bench", "--model", model, "--arithmetic", "fast", "--prompt", "1", "--generate", "1", "--repetitions", "1", "--json").Output;
        Assert.Contains("packed weights", JsonNode.Parse(bench)!["device"]!.GetValue<string>(), StringComparison.Ordinal);
        CommandResult again = LapidaryProcess.Run(run);
        Assert.Equal(text, again.Output);
        Assert.DoesNotContain("warning", again.Error, StringComparison.Ordinal);
        Assert.Equal(text, LapidaryProcess.Run([.. run, "--no-assembly"]).Output);

        File.SetLastWriteTimeUtc(Path.Combine(model, "config.json"), DateTime.UtcNow.AddMinutes(1));
        CommandResult changed = LapidaryProcess.Run(run);
        Assert.Equal((0, text), (changed.ExitCode, changed.Output));
        Assert.Contains($"warning: {packed} was packed from other files", changed.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--format packed --group-size 32", "--group-size is not for --format packed")]
    [InlineData("--format packed", "has no integer weights")]
    [InlineData("--format int4", "--out is missing")]
    public void Packing_is_refused_where_it_makes_no_sense(string options, string says)
    {
        CommandResult result = LapidaryProcess.Run(["quantize", Goldens.TinyModel, .. options.Split(' ')]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(says, Assert.Single(result.ErrorLines), StringComparison.Ordinal);
    }
}
