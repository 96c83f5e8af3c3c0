using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Lora;
using Lapidary.Models;

namespace Lapidary.Tests.Lora;

/// <summary>Adapters as PEFT saves them give the logits that PEFT gives.</summary>
public sealed class PeftGoldenTests
{
    // Logits reach 30 here; transformers' own merged and unmerged adapters differ by up to 2e-5.
    private const float Tolerance = 2e-4f;

    public static TheoryData<string> Served =>
        ["attention_mlp_experts", "rslora_patterns", "gate_up_only", "down_only", "all_linear", "some_layers", "embeddings", "lora_bias", "bias_all"];

    public static TheoryData<string, string> Refused => new()
    {
        { "dora", "\"use_dora\" is set" },
        { "modules_to_save", "\"modules_to_save\" is set" },
        { "trainable_tokens", "\"trainable_token_indices\" is set" },
    };

    [Theory, MemberData(nameof(Served))]
    public void An_adapter_gives_the_logits_of_peft(string name)
    {
        foreach (string backend in (string[])["grouped", "reference"])
        {
            using CpuKernels kernels = new();
            using ICheckpoint checkpoint = Checkpoint.Open(Goldens.TinyModel);
            using Gemma4 model = AdapterGoldens.OpenTinyModel(kernels, checkpoint, maxLoras: 1, backend);
            LoadedAdapter adapter = model.Adapters.Load(AdapterGoldens.Case(name), "a");
            float[][] expected = AdapterGoldens.Logits(name), without = AdapterGoldens.Logits("base");
            for (int i = 0; i < expected.Length; i++)
            {
                float[] actual = AdapterGoldens.Logits(model, kernels, (AdapterGoldens.Prompts[i], adapter.Slot))[0];
                Assert.InRange(AdapterGoldens.LargestDifference(expected[i], actual), 0, Tolerance);
                Assert.InRange(AdapterGoldens.LargestDifference(without[i], actual), 100 * Tolerance, 100); // it does something
            }
        }
    }

    [Theory, MemberData(nameof(Refused))]
    public void What_is_not_implemented_is_refused_with_the_reason(string name, string reason)
    {
        LoraSites sites = new(1);
        ConfigException refusal = Assert.Throws<ConfigException>(() => LoraAdapter.Open(AdapterGoldens.Case(name), sites));
        Assert.Contains(reason, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_case_of_the_goldens_is_tested()
        => Assert.Equal(
            Directory.GetDirectories(AdapterGoldens.Folder).Select(Path.GetFileName).Order(StringComparer.Ordinal),
            Served.Select(row => row.Data).Concat(Refused.Select(row => row.Data.Item1)).Order(StringComparer.Ordinal));
}
