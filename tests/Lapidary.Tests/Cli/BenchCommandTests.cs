using System.Text.Json;

namespace Lapidary.Tests.Cli;

/// <summary>bench measures what it says, on small models.</summary>
public sealed class BenchCommandTests
{
    [Theory]
    [InlineData("q4_0", "fast")]
    [InlineData("bf16", "fast")]
    [InlineData("q8_0", "exact")]
    public void A_synthetic_model_is_measured(string format, string arithmetic)
    {
        CommandResult run = LapidaryProcess.Run("bench", "--synthetic", "gemma4-26b-a4b:layers=1,experts=2,vocab=512", "--format", format, "--arithmetic", arithmetic,
            "--prompt", "4", "--generate", "2", "--repetitions", "1", "--json", "--profile");
        Assert.Equal(0, run.ExitCode);
        JsonElement result = JsonDocument.Parse(run.Output).RootElement;
        foreach (string key in (string[])["prefill_tokens_per_second", "decode_tokens_per_second", "decode_bytes_per_token", "probe_gb_per_second", "decode_share_of_probe", "load_seconds", "peak_rss_bytes", "weights_bytes"])
            Assert.True(result.GetProperty(key).GetDouble() > 0, key);
        Assert.Contains(result.GetProperty("decode").EnumerateArray(), row => row.GetProperty("operation").GetString() == "experts");
        // Two experts of two are met by every token, so a token reads every weight.
        Assert.Equal(result.GetProperty("weights_bytes").GetInt64(), result.GetProperty("decode_bytes_per_token").GetInt64());
    }

    [Fact]
    public void Drafts_are_measured_beside_plain_decode()
    {
        CommandResult run = LapidaryProcess.Run("bench", "--speculative-config", "ngram:num_speculative_tokens=3", "--prompt", "120", "--generate", "40", "--batch", "2", "--repetitions", "1", "--json");
        Assert.Equal(0, run.ExitCode);
        JsonElement drafted = JsonDocument.Parse(run.Output).RootElement.GetProperty("drafted"), statistics = drafted.GetProperty("statistics");
        foreach (string speed in (string[])["decode_tokens_per_second", "plain_tokens_per_second"]) Assert.True(drafted.GetProperty(speed).GetDouble() > 0, speed);
        Assert.InRange(drafted.GetProperty("tokens_per_draft").GetDouble(), 1, 4);
        Assert.Equal(drafted.GetProperty("acceptance_rate").GetDouble(), statistics.GetProperty("num_accepted_tokens").GetDouble() / statistics.GetProperty("num_draft_tokens").GetDouble(), 9);
    }

    [Theory]
    [InlineData("unknown synthetic model", "--synthetic", "gpt-5")]
    [InlineData("is no change of gemma4-26b-a4b", "--synthetic", "gemma4-26b-a4b:layers=no")]
    [InlineData("unknown format \"q9\"", "--synthetic", "gemma4-26b-a4b:layers=1", "--format", "q9")]
    [InlineData("--prompt is 0, expected 1 or more", "--prompt", "0")]
    public void What_cannot_be_measured_is_refused(string says, params string[] arguments)
    {
        CommandResult run = LapidaryProcess.Run(["bench", .. arguments]);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains(says, run.Error);
    }
}
