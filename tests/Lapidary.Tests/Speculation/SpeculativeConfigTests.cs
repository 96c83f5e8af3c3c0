using Lapidary.Speculation;

namespace Lapidary.Tests.Speculation;

public sealed class SpeculativeConfigTests
{
    [Theory]
    [InlineData("ngram", 4, 2, 4)]
    [InlineData("""{"method": "ngram", "num_speculative_tokens": 5, "prompt_lookup_max": 3}""", 5, 2, 3)]
    [InlineData("""{"method":"ngram","num_speculative_tokens":1,"prompt_lookup_min":1,"prompt_lookup_max":1}""", 1, 1, 1)]
    [InlineData("ngram:num_speculative_tokens=7,prompt_lookup_min=3,prompt_lookup_max=9", 7, 3, 9)]
    [InlineData("ngram: prompt_lookup_min = 6", 4, 6, 6)]
    [InlineData("ngram:prompt_lookup_max=1", 4, 1, 1)]
    public void Both_forms_say_the_same(string text, int tokens, int min, int max)
        => Assert.Equal(new NgramConfig(tokens, min, max), SpeculativeConfig.Parse(text));

    [Theory]
    [InlineData("mtp:model=/models/assistant", 4)]
    [InlineData("""{"model": "/models/assistant", "num_speculative_tokens": 2}""", 2)] // as vLLM's recipes for Gemma 4
    [InlineData("""{"method": "mtp", "model": "/models/assistant", "num_speculative_tokens": 2}""", 2)]
    public void A_drafter_is_named_by_its_folder(string text, int tokens)
        => Assert.Equal(new MtpConfig(tokens, "/models/assistant"), SpeculativeConfig.Parse(text));

    [Theory]
    [InlineData("mtp", "method mtp needs \"model\", the folder of the drafter")]
    [InlineData("mtp:model=x,prompt_lookup_max=3", "unknown key \"prompt_lookup_max\"; known are method, num_speculative_tokens, model")]
    [InlineData("", "method is \"\"; known: ngram, mtp")]
    [InlineData("medusa", "method is \"medusa\"; known: ngram, mtp")]
    [InlineData("{}", "method is missing")]
    [InlineData("{\"method\":", "not valid JSON")]
    [InlineData("ngram:", "\"\" is not key=value")]
    [InlineData("ngram:5", "\"5\" is not key=value")]
    [InlineData("ngram:method=ngram", "is not key=value with a key of its own")]
    [InlineData("ngram:tokens=5", "unknown key \"tokens\"; known are method, num_speculative_tokens")]
    [InlineData("ngram:num_speculative_tokens=0", "\"num_speculative_tokens\" is 0, expected an integer from 1 to 16")]
    [InlineData("ngram:num_speculative_tokens=17", "is 17, expected an integer from 1 to 16")]
    [InlineData("ngram:num_speculative_tokens=many", "\"num_speculative_tokens\" is \"many\"")]
    [InlineData("ngram:prompt_lookup_min=5,prompt_lookup_max=4", "prompt_lookup_min 5 is more than prompt_lookup_max 4")]
    public void What_cannot_be_used_is_refused_with_the_reason(string text, string expected)
    {
        ConfigException exception = Assert.Throws<ConfigException>(() => SpeculativeConfig.Parse(text));
        Assert.StartsWith("--speculative-config: ", exception.Message, StringComparison.Ordinal);
        Assert.Contains(expected, exception.Message, StringComparison.Ordinal);
    }
}
