using System.Text;
using System.Text.Json.Nodes;
using Lapidary.Models;

namespace Lapidary.Tests.Models;

/// <summary>Damaged configurations: each is read into something a model can be built from, or refused with what was found and what was expected.</summary>
public sealed class ConfigFuzzTests(ITestOutputHelper output)
{
    private static readonly string Tiny = File.ReadAllText(Path.Combine(Goldens.TinyModel, "config.json"));

    private static readonly string?[] Values =
    [
        null, "null", "0", "-1", "1", "2", "3", "7", "8", "16777216", "16777217", "2147483647", "2147483648", "9223372036854775808", "1e3", "1e300", "1e-300", "1e999", "-1e999", "1.5", "0.0", "-0.5", "true", "false", "\"\"", "\"64\"", "\"NaN\"", "\"gelu\"", "\"silu\"",
        "\"full_attention\"", "\"sliding_attention\"", "\"a\\nb\\u0000\\u2028\"", "[]", "{}", "[0]", "[\"full_attention\"]", "[null]", "{\"a\":1}", "{\"0\":{\"head_dim\":3}}", "{\"9\":{}}", "[[[[[[]]]]]]", "{\"full_attention\":{},\"sliding_attention\":{}}", "{\"rope_theta\":10000}",
    ];

    public static TheoryData<string, string?, string> Refused() => new()
    {
        { "num_hidden_layers", "0", "\"num_hidden_layers\" is 0, expected an integer from 1 to 4096" },
        { "num_hidden_layers", "100000", "\"num_hidden_layers\" is 100000, expected an integer from 1 to 4096" },
        { "hidden_size", "0", "\"hidden_size\" is 0, expected an integer from 1 to 16777216" },
        { "hidden_size", "-256", "\"hidden_size\" is -256, expected an integer from 1 to 16777216" },
        { "hidden_size", "4294967552", "\"hidden_size\" is 4294967552, expected an integer from 1 to 16777216" },   // 256 when cut to 32 bits
        { "hidden_size", "256.5", "\"hidden_size\" is 256.5, expected an integer from 1 to 16777216" },
        { "hidden_size", "\"256\"", "\"hidden_size\" is \"256\", expected an integer from 1 to 16777216" },
        { "vocab_size", "0", "\"vocab_size\" is 0, expected an integer from 1 to 16777216" },
        { "vocab_size", "99999999999999999999", "\"vocab_size\" is 99999999999999999999, expected an integer" },
        { "intermediate_size", "-1", "\"intermediate_size\" is -1, expected an integer from 1" },
        { "head_dim", "0", "\"head_dim\" is 0, expected an integer from 1" },
        { "head_dim", "63", "head_dim 63 of layer 0 is odd" },
        { "head_dim", "16777216", "num_attention_heads 4 times head_dim 16777216 of layer 0 is more than 16777216" },
        { "num_attention_heads", "3", "num_attention_heads 3 is not a multiple of the 2 key-value heads of layer 0" },
        { "num_attention_heads", "16777216", "num_attention_heads 16777216 times head_dim 64 of layer 0 is more than 16777216" },
        { "num_key_value_heads", "3", "num_attention_heads 4 is not a multiple of the 3 key-value heads of layer 0" },
        { "num_key_value_heads", "0", "\"num_key_value_heads\" is 0, expected an integer from 1" },
        { "sliding_window", "0", "\"sliding_window\" is 0, expected an integer from 1" },
        { "max_position_embeddings", "-5", "\"max_position_embeddings\" is -5, expected an integer from 1" },
        { "layer_types", "[\"full_attention\"]", "layer_types has 1 entries, num_hidden_layers is 8" },
        { "layer_types", "[]", "layer_types has 0 entries, num_hidden_layers is 8" },
        { "layer_types", "[1,2,3,4,5,6,7,8]", "\"layer_types\" is 1, expected a list of strings" },
        { "layer_types", "[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"]", "layer_types[0] is \"a\"; known: sliding_attention, full_attention" },
        { "layer_types", "\"full_attention\"", "\"layer_types\" is \"full_attention\", expected a list of strings" },
        { "hidden_activation", "\"gelu_tanhh\"", "hidden_activation: unknown activation \"gelu_tanhh\"; known: " },
        { "hidden_activation", "\"\"", "hidden_activation: unknown activation \"\"; known: " },
        { "hidden_activation", "5", "\"hidden_activation\" is 5, expected a string" },
        { "model_type", "\"llama\"", "model_type is \"llama\"; supported: gemma4_text, gemma4_unified_text, gemma4, gemma4_unified" },
        { "model_type", null, "model_type is missing; supported: gemma4_text" },
        { "model_type", "\"gemma4\"", "a multimodal config without \"text_config\"" },
        { "top_k_experts", "17", "top_k_experts 17 is more than num_experts 16" },
        { "top_k_experts", "0", "\"top_k_experts\" is 0, expected an integer from 1" },
        { "top_k_experts", null, "enable_moe_block is true but \"top_k_experts\" is missing" },
        { "num_experts", "3", "top_k_experts 4 is more than num_experts 3" },
        { "num_experts", "65537", "num_experts 65537 is more than 65536" },
        { "num_experts", "null", "enable_moe_block is true but \"num_experts\" is missing" },
        { "moe_intermediate_size", null, "enable_moe_block is true but \"moe_intermediate_size\" is missing" },
        { "rms_norm_eps", "0", "rms_norm_eps is 0 in float32, expected above 0" },
        { "rms_norm_eps", "-1e-6", "rms_norm_eps is -1E-06 in float32, expected above 0" },
        { "rms_norm_eps", "1e-60", "rms_norm_eps is 0 in float32, expected above 0" },
        { "rms_norm_eps", "1e60", "\"rms_norm_eps\" is 1e60, expected a finite number" },
        { "rms_norm_eps", "1e999", "\"rms_norm_eps\" is 1e999, expected a finite number" },
        { "rms_norm_eps", "\"NaN\"", "\"rms_norm_eps\" is \"NaN\", expected a finite number" },
        { "rms_norm_eps", "NaN", "not valid JSON" },
        { "rms_norm_eps", "Infinity", "not valid JSON" },
        { "final_logit_softcapping", "0", "final_logit_softcapping is 0, expected above 0" },
        { "final_logit_softcapping", "1e300", "\"final_logit_softcapping\" is 1e300, expected a finite number" },
        { "rope_parameters", "{}", "rope_parameters has no \"sliding_attention\"; expected one object for sliding_attention and one for full_attention" },
        { "rope_parameters", "{\"rope_theta\":10000}", "rope_parameters has no \"sliding_attention\"" },
        { "rope_parameters", "{\"sliding_attention\":{}}", "rope_parameters has no \"full_attention\"" },
        { "rope_parameters", "{\"sliding_attention\":{},\"full_attention\":7}", "\"full_attention\" is 7, expected an object" },
        { "rope_parameters", "{\"sliding_attention\":{\"rope_type\":\"yarn\"},\"full_attention\":{}}", "rope_type is \"yarn\"; supported: default, linear, proportional" },
        { "rope_parameters", "{\"sliding_attention\":{\"rope_theta\":-1},\"full_attention\":{}}", "rope_theta -1 and factor 1 must be above 0" },
        { "rope_parameters", "{\"sliding_attention\":{\"rope_theta\":1e-60},\"full_attention\":{}}", "rope_theta 1E-60 and factor 1 must be above 0 in float32" },
        { "rope_parameters", "{\"sliding_attention\":{},\"full_attention\":{\"partial_rotary_factor\":1.5}}", "partial_rotary_factor is 1.5, expected above 0 and up to 1" },
        { "rope_parameters", "{\"sliding_attention\":{},\"full_attention\":{\"factor\":0}}", "factor 0 must be above 0" },
        { "num_kv_shared_layers", "8", "num_kv_shared_layers 8 leaves no layer that computes keys and values" },
        { "num_kv_shared_layers", "9", "\"num_kv_shared_layers\" is 9, expected an integer from 0 to 8" },
        { "num_kv_shared_layers", "5", "layer 3 shares keys and values, but no earlier layer of its type computes them" },
        { "per_layer_config", "{\"8\":{}}", "per_layer_config has key \"8\", expected layer numbers 0 to 7" },
        { "per_layer_config", "{\"-1\":{}}", "per_layer_config has key \"-1\", expected layer numbers 0 to 7" },
        { "per_layer_config", "{\"3\":5}", "\"3\" is 5, expected an object" },
        { "hidden_size_per_layer_input", "16777216", "hidden_size_per_layer_input 16777216 times num_hidden_layers 8 is more than 16777216" },
        { "per_layer_config", "{\"1\": {\"head_dim\": 32, \"skip\": [\"mlp\"]}}", "per_layer_config of layer 1 sets \"skip\"; supported: head_dim, num_key_value_heads" },
        { "attention_bias", "1", "\"attention_bias\" is 1, expected true or false" },
        { "use_bidirectional_attention", "\"all\"", "use_bidirectional_attention is \"all\"; only causal text" },
        { "quantization_config", "{\"quant_method\":\"gptq\"}", "quantization_config has no \"bits\"" },
        { "eos_token_id", "-1", "\"eos_token_id\" is -1, expected an integer from 0" },
        { "eos_token_id", "[1,\"2\"]", "\"eos_token_id\" is \"2\", expected a list of integers of at least 0" },
    };

    [Theory, MemberData(nameof(Refused))]
    public void A_wrong_value_is_named_with_what_was_expected(string key, string? value, string expected)
    {
        string message = Assert.Throws<ConfigException>(() => Read(With(key, value))).Message;
        Assert.StartsWith("config.json: ", message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.DoesNotContain(message, char.IsControl);
    }

    [Fact]
    public void An_unknown_activation_is_answered_with_the_known_ones()
    {
        string message = Assert.Throws<ConfigException>(() => Read(With("hidden_activation", "\"swish2\""))).Message;
        foreach (string name in (string[])["gelu_pytorch_tanh", "gelu", "silu"]) Assert.Contains(name, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{")]
    [InlineData("{} {}")]
    [InlineData("{\"model_type\":\"gemma4_text\",}")]
    [InlineData("{\"model_type\":\"\\ud800\"}")]
    [InlineData("{\"model_type\":\"a\\nb\\u0000c\\u2028\"}")]
    public void What_is_no_configuration_is_refused_in_one_line(string text)
    {
        string message = Assert.Throws<ConfigException>(() => Read(text)).Message;
        Assert.StartsWith("config.json: ", message, StringComparison.Ordinal);
        Assert.DoesNotContain(message, one => char.IsControl(one) || one is '\u2028' or '\ud800');
    }

    [Fact]
    public void Nesting_and_bytes_that_are_no_text_are_refused()
    {
        Assert.Throws<ConfigException>(() => Read(new string('[', 1 << 20)));
        Assert.Throws<ConfigException>(() => Read(With("x", string.Concat(Enumerable.Repeat("{\"a\":", 100_000)) + "1" + new string('}', 100_000))));
        Assert.Throws<ConfigException>(() => Gemma4ConfigReader.Parse(new byte[] { (byte)'{', (byte)'"', 0xFF, (byte)'"', (byte)':', (byte)'1', (byte)'}' }, "config.json"));
    }

    [Fact]
    public void Any_damage_gives_a_sound_configuration_or_a_refusal()
    {
        const int Seed = 5150;
        Random random = new(Seed);
        int read = 0, refused = 0;
        for (int round = 0; round < 20_000; round++)
        {
            byte[] damaged = Damage(Tiny, random);
            try
            {
                AssertSound(Gemma4ConfigReader.Parse(damaged, "config.json"));
                read++;
            }
            catch (ConfigException exception)
            {
                Assert.False(exception.Message.Any(char.IsControl), $"round {round}: a control character in {exception.Message}");
                Assert.True(exception.Message.Length < 1100);
                refused++;
            }
            catch (Exception exception)
            {
                Assert.Fail($"round {round} of seed {Seed}: {exception}\n{Encoding.UTF8.GetString(damaged)}");
            }
        }
        output.WriteLine($"{read} read, {refused} refused");
        Assert.True(read > 1_000 && refused > 5_000, $"{read} read, {refused} refused: the damage tests nothing");
    }

    /// <summary>What the loader and the kernels rely on.</summary>
    private static void AssertSound(Gemma4Config config)
    {
        Assert.True(config is { VocabSize: > 0, HiddenSize: > 0, NumAttentionHeads: > 0, SlidingWindow: > 0, MaxPositionEmbeddings: > 0 });
        Assert.True(config.RmsNormEps > 0 && float.IsFinite(config.RmsNormEps) && config.FinalLogitSoftcapping is null or > 0 and < float.PositiveInfinity);
        Assert.True(config.Experts is null or { TopKExperts: > 0, MoeIntermediateSize: > 0 });
        Assert.True(config.Experts is null || config.Experts.TopKExperts <= config.Experts.NumExperts);
        Assert.InRange((long)config.HiddenSizePerLayerInput * config.Layers.Count, 0, int.MaxValue);
        Assert.NotEmpty(config.EosTokenIds);
        Assert.True(config.Layers[^1].IsFull);
        foreach (Gemma4Layer layer in config.Layers)
        {
            Assert.True(layer is { HeadDim: > 0, KeyValueHeads: > 0, IntermediateSize: > 0 } && layer.HeadDim % 2 == 0 && config.NumAttentionHeads % layer.KeyValueHeads == 0);
            Assert.InRange((long)config.NumAttentionHeads * layer.HeadDim, 1, int.MaxValue);
            Gemma4Layer donor = config.Layers[layer.CacheLayer];
            Assert.True(donor.CacheLayer == donor.Index && donor.Index <= layer.Index && donor.HeadDim == layer.HeadDim && donor.IsFull == layer.IsFull);
        }
        foreach (RopeParameters rope in (RopeParameters[])[config.SlidingRope, config.FullRope])
            Assert.All(rope.InverseFrequencies(64), frequency => Assert.True(float.IsFinite(frequency), $"{rope} gives {frequency}"));
    }

    [Fact]
    public void An_unsound_configuration_is_noticed()
    {
        Gemma4Config config = Read(Tiny);
        AssertSound(config);
        Assert.ThrowsAny<Exception>(() => AssertSound(config with { RmsNormEps = float.PositiveInfinity }));
        Assert.ThrowsAny<Exception>(() => AssertSound(config with { NumAttentionHeads = 1 << 30 }));
        Assert.ThrowsAny<Exception>(() => AssertSound(config with { FullRope = new RopeParameters(1e-60, 1, 1) }));
    }

    private static Gemma4Config Read(string json) => Gemma4ConfigReader.Parse(Encoding.UTF8.GetBytes(json), "config.json");

    /// <summary>The tiny model's configuration with one value replaced, or left out when null. The value need not be JSON.</summary>
    private static string With(string key, string? value)
    {
        JsonObject config = JsonNode.Parse(Tiny)!.AsObject();
        config.Remove(key);
        string rest = config.ToJsonString();
        return value is null ? rest : $"{{\"{key}\":{value},{rest[1..]}";
    }

    internal static byte[] Damage(string text, Random random)
    {
        for (int changes = random.Next(1, 4); changes > 0; changes--) text = ReplaceValue(text, random);
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        if (random.Next(3) > 0) return bytes;
        for (int changes = random.Next(1, 4); changes > 0; changes--)
        {
            int at = random.Next(bytes.Length);
            bytes[at] = random.Next(3) switch { 0 => (byte)(bytes[at] ^ (1 << random.Next(8))), 1 => (byte)random.Next(256), _ => (byte)"{}[]\",:0123456789-e."[random.Next(20)] };
        }
        return random.Next(8) == 0 ? bytes[..random.Next(bytes.Length)] : bytes;
    }

    /// <summary>Replaces the value after a random key, at any depth, or removes the pair.</summary>
    private static string ReplaceValue(string text, Random random)
    {
        int key = text.IndexOf("\":", random.Next(text.Length), StringComparison.Ordinal);
        if (key < 0) return text;
        int start = key + 2, end = start;
        for (int depth = 0; end < text.Length && (depth > 0 || text[end] is not (',' or '}')); end++) depth += text[end] switch { '{' or '[' => 1, '}' or ']' => -1, _ => 0 };
        return Values[random.Next(Values.Length)] is { } value ? text[..start] + value + text[end..] : text[..(text.LastIndexOf('"', key - 1) + 1)] + "gone" + text[key..];
    }
}
