using System.CommandLine;

namespace Lapidary.Cli;

/// <summary>The option --kv-cache-dtype.</summary>
internal static class KvCacheOption
{
    private const string Auto = "auto";

    public static Option<string?> Create()
    {
        Option<string?> option = new("--kv-cache-dtype")
        {
            Description = $"What keys and values are rounded to in the cache: {Auto} (f32 under exact arithmetic, bf16 under fast), {string.Join(", ", KeyValueTypes.Names)}.",
        };
        option.AcceptOnlyFromAmong([Auto, .. KeyValueTypes.Names]);
        return option;
    }

    /// <returns>The type, or null for what suits the device's arithmetic.</returns>
    public static KeyValueType? Parse(string? value) => value is null or Auto ? null : KeyValueTypes.Parse(value);
}
