using System.Text.RegularExpressions;

namespace Lapidary.Tests.Architecture;

/// <summary>docs/vllm-map.md names what exists, and forgets none of vLLM's names.</summary>
public sealed partial class VllmMapTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(Goldens.Repository, "docs/vllm-map.md"));
    private static readonly IReadOnlyList<MapRow> Rows = VllmMap.Rows(Page);

    /// <summary>The MoE layer's names and those of pull request #41574.</summary>
    private static readonly string[] Names =
    [
        "MoEActivation", "SILU", "GELU", "GELU_TANH", "RELU2", "SWIGLUOAI", "SWIGLUSTEP", "SWIGLUOAI_UNINTERLEAVE", "SITU",
        "SILU_NO_MUL", "GELU_NO_MUL", "GELU_TANH_NO_MUL", "RELU2_NO_MUL", "is_gated", "from_str", "_STR_ALIASES", "_CUSTOM_OP_NAMES",
        "_WITHOUT_MUL", "apply_moe_activation", "_supports_activation", "is_supported_config", "TritonExperts", "BatchedTritonExperts",
        "MarlinExpertsBase", "HummingExpertsBase", "FusedMoE", "moe_align_block_size", "moe_sum", "Gemma4MoE", "Gemma4MLP", "FusedMoEWithLoRA",
    ];

    [Fact]
    public void Every_symbol_exists_where_the_page_says()
    {
        Assert.True(Rows.Count > 40, $"{Rows.Count} rows");
        Assert.Empty(Rows.SelectMany(row => VllmMap.Complaints(row, Read)));
    }

    [Fact]
    public void No_name_is_forgotten()
        => Assert.All(Names, name => Assert.Contains(Rows, row => Regex.IsMatch(row.Vllm, $@"(?:`|\.){name}`") && (row.Symbols.Count > 0 || row.Vllm.Contains("look-up", StringComparison.Ordinal))));

    /// <summary>The row of a member names the struct that its value string resolves to, in the form it has.</summary>
    [Fact]
    public void Members_stand_for_what_their_value_resolves_to()
    {
        int members = 0;
        foreach (MapRow row in Rows)
        {
            if (Member().Match(row.Vllm) is not { Success: true } match) continue;
            string value = match.Groups[1].Value.ToLowerInvariant();
            Type type = VllmMap.Find(row.Symbols[0])!;
            ActivationInfo info = (ActivationInfo)type.GetProperty("Info")!.GetValue(null)!;
            double? Given(string parameter) => info.Parameters.Contains(parameter) ? 1 : null;
            (Activation activation, ActivationForm form) = ActivationRegistry.Default.Resolve(value, new(Given("Alpha"), Given("Beta"), Given("Limit"), Given("LinearBeta")));
            Assert.Equal(info.Name, activation.Name);
            Assert.Equal(form == ActivationForm.NonGated, row.Symbols.Contains("ActivationForm.NonGated"));
            members++;
        }
        Assert.Equal(12, members);
    }

    [Fact]
    public void A_row_that_names_nothing_real_is_noticed()
    {
        MapRow[] rows = [.. VllmMap.Rows("""
            | vLLM | here | where |
            |---|---|---|
            | `a` | `NoSuchType` | `src/Lapidary.Core/Activation.cs` |
            | `b` | `Activation.NoSuchMember` | `src/Lapidary.Core/Activation.cs` |
            | `c` | `Activation` | `src/Lapidary.Core/IKernels.cs` |
            | `d` | `Activation.Name` | `src/Lapidary.Core/Gone.cs` |
            | `e` | `Activation.Name` and prose | `src/Lapidary.Core/Activation.cs` |
            """)];
        Assert.Equal([1, 1, 1, 2, 0], rows.Select(row => VllmMap.Complaints(row, Read).Count()));
    }

    private static string? Read(string path) => Path.Combine(Goldens.Repository, path) is var full && File.Exists(full) ? File.ReadAllText(full) : null;

    [GeneratedRegex(@"^`MoEActivation\.([A-Z0-9_]+)`")]
    private static partial Regex Member();
}
