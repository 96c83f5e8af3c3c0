using System.CommandLine;
using Lapidary.Speculation;

namespace Lapidary.Cli;

/// <summary>The option --speculative-config.</summary>
internal static class SpeculativeOption
{
    public static Option<string?> Create() => new("--speculative-config", "--speculative")
    {
        Description = "Speed without another text: propose tokens and check them in one step. ngram takes what followed the same tokens earlier, mtp:model=FOLDER asks Gemma 4's drafter. Settings follow the colon, e.g. ngram:num_speculative_tokens=4,prompt_lookup_max=4; vLLM's JSON object works too.",
        HelpName = "METHOD",
    };

    /// <exception cref="ConfigException">Names what is wrong and what is known.</exception>
    public static SpeculativeConfig? Parse(string? value) => value is null ? null : SpeculativeConfig.Parse(value);
}
