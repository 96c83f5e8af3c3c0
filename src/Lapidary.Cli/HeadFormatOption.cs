using System.CommandLine;
using Lapidary.Quantization;

namespace Lapidary.Cli;

/// <summary>The option --head-format.</summary>
internal static class HeadFormatOption
{
    private const string Auto = "auto";

    public static Option<string?> Create()
    {
        Option<string?> option = new("--head-format")
        {
            Description = $"What the head is rounded to when it is loaded: {Auto} (as it is stored), {string.Join(", ", HeadFormat.Names)}. Embeddings stay as they are stored.",
        };
        option.AcceptOnlyFromAmong([Auto, .. HeadFormat.Names]);
        return option;
    }

    /// <returns>The format, or null for what is stored.</returns>
    public static HeadFormat? Parse(string? value) => value is null or Auto ? null : HeadFormat.Parse(value);
}
