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
    public void Operations_read_and_compute_what_the_model_has()
    {
        // Twice, since the first time is a warm-up: 5 tokens at once, of which the last layer needs one, and 3 that see 1, 2 and 3 positions.
        CommandResult run = LapidaryProcess.Run("bench", "--synthetic", "gemma4-26b-a4b:layers=2,experts=2,vocab=512", "--prompt", "5", "--generate", "3", "--repetitions", "1", "--json", "--profile");
        JsonElement result = JsonDocument.Parse(run.Output).RootElement;
        JsonElement[] prefill = [.. result.GetProperty("prefill").EnumerateArray()], decode = [.. result.GetProperty("decode").EnumerateArray()];

        Assert.Equal(6 * result.GetProperty("decode_bytes_per_token").GetDouble(), Weights(decode).Sum(row => Amount(row, "gb_per_second")), 1.0);
        Assert.Equal(6 * result.GetProperty("decode_kv_bytes_per_token").GetDouble(), decode.Where(IsAttention).Sum(row => Amount(row, "gb_per_second")), 1.0);
        // 26B-A4B: 16 heads, of 256 and in the last layer of 512, a hidden size of 2816 and experts of 704, of which these two are always chosen.
        Assert.Equal(2 * 2.0 * (1 + 2 + 3) * 2 * 16 * (256 + 512), decode.Where(IsAttention).Sum(row => Amount(row, "gflop_per_second")), 1.0);
        Assert.Equal(2 * 2.0 * (5 + 1) * 2 * 3 * 2816 * 704, Amount(prefill.Single(row => Name(row) == "experts"), "gflop_per_second"), 1.0);
        (string Operation, double Products)[] expected =
        [
            ("linear 8192 × 2816 in 3", 5 * 8192.0 * 2816), ("linear 2816 × 4096", 5 * 2816.0 * 4096), // queries, keys and values of the first layer, and its output
            ("linear 2048 × 2816 in 2", 5 * 1024.0 * 2816), ("linear 8192 × 2816", 8192.0 * 2816), ("linear 2816 × 8192", 2816.0 * 8192), // the last layer's: keys serve as values
            ("linear 4224 × 2816 in 2", (5 + 1) * 4224.0 * 2816), ("linear 2816 × 2112", (5 + 1) * 2816.0 * 2112), // both layers' MLP
            ("linear 2 × 2816", (5 + 1) * 2.0 * 2816), ("linear 512 × 2816", 512.0 * 2816), // routers, and the head
        ];
        JsonElement[] products = [.. prefill.Where(row => Name(row).StartsWith("linear", StringComparison.Ordinal))];
        Assert.Equal(expected.Select(e => e.Operation).Order(), products.Select(Name).Order());
        foreach ((string operation, double count) in expected) Assert.Equal(2 * 2 * count, Amount(products.Single(row => Name(row) == operation), "gflop_per_second"), 1.0);
        Assert.All(Weights(decode), row => Assert.InRange(row.GetProperty("share_of_ceiling").GetDouble(), double.Epsilon, double.MaxValue));
        Assert.Equal(JsonValueKind.Null, decode.Single(row => Name(row) == "norm").GetProperty("gb_per_second").ValueKind);
        Assert.All(result.GetProperty("probe_gflop_per_second").EnumerateArray(), rate => Assert.True(rate.GetDouble() > 0));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Each_repetition_of_decode_stands_beside_probes_of_its_own(int threads)
    {
        CommandResult run = LapidaryProcess.Run("bench", "--prompt", "4", "--generate", "2", "--repetitions", "3", "--threads", $"{threads}", "--json");
        JsonElement result = JsonDocument.Parse(run.Output).RootElement;
        double bytes = result.GetProperty("decode_bytes_per_token").GetDouble() + result.GetProperty("decode_kv_bytes_per_token").GetDouble();
        JsonElement[] repetitions = [.. result.GetProperty("decode_repetitions").EnumerateArray()];
        Assert.Equal(3, repetitions.Length);
        for (int i = 0; i < repetitions.Length; i++)
        {
            double speed = Figure(i, "tokens_per_second"), before = Figure(i, "probe_before_gb_per_second"), after = Figure(i, "probe_after_gb_per_second");
            Assert.Equal(bytes * speed / ((before + after) / 2 * 1e9), Figure(i, "share_of_probe"), 1e-9);
            if (i > 0) Assert.Equal(Figure(i - 1, "probe_after_gb_per_second"), before); // one probe between two repetitions
            if (threads == 1) Assert.Equal(JsonValueKind.Null, repetitions[i].GetProperty("round_trip_nanoseconds").ValueKind);
            else Assert.InRange(Figure(i, "round_trip_nanoseconds"), 1, 1e6);
        }
        foreach ((string each, string median) in new[] { ("tokens_per_second", "decode_tokens_per_second"), ("share_of_probe", "decode_share_of_probe"), ("probe_gb_per_second", "probe_gb_per_second") })
            Assert.Equal(Enumerable.Range(0, 3).Select(i => Figure(i, each)).Order().ElementAt(1), result.GetProperty(median).GetDouble());

        double Figure(int repetition, string name) => repetitions[repetition].GetProperty(name).GetDouble();
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
    [InlineData("--pin: 1000 threads need a processor each, and this process may use", "--pin", "--threads", "1000")]
    [InlineData("--prompt is 0, expected 1 or more", "--prompt", "0")]
    public void What_cannot_be_measured_is_refused(string says, params string[] arguments)
    {
        CommandResult run = LapidaryProcess.Run(["bench", .. arguments]);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains(says, run.Error);
    }

    private static IEnumerable<JsonElement> Weights(JsonElement[] rows) => rows.Where(row => Name(row) == "experts" || Name(row).StartsWith("linear", StringComparison.Ordinal));

    private static bool IsAttention(JsonElement row) => Name(row).StartsWith("attention", StringComparison.Ordinal);

    private static string Name(JsonElement row) => row.GetProperty("operation").GetString()!;

    /// <summary>Bytes, or multiplications and additions, of all calls.</summary>
    private static double Amount(JsonElement row, string rate) => row.GetProperty(rate).GetDouble() * row.GetProperty("milliseconds").GetDouble() * 1e6;
}
