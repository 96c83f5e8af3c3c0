using System.Text;
using Lapidary.Lora;

namespace Lapidary.Tests.Lora;

public sealed class LoraConfigTests
{
    private static LoraConfig Parse(string settings) => LoraConfig.Parse(Encoding.UTF8.GetBytes($$"""{"peft_type": "LORA", {{settings}}}"""), "adapter_config.json");

    private static string Refusal(string settings) => Assert.Throws<ConfigException>(() => Parse(settings)).Message;

    [Fact]
    public void Scale_is_alpha_over_rank_or_over_its_root()
    {
        Assert.Equal(2, Parse("\"r\": 8, \"lora_alpha\": 16").ScaleOf("model.layers.0.mlp.up_proj"));
        Assert.Equal(4, Parse("\"r\": 16, \"lora_alpha\": 16, \"use_rslora\": true").ScaleOf("model.layers.0.mlp.up_proj"));
        Assert.Equal(1, Parse("\"target_modules\": null").ScaleOf("x")); // PEFT's defaults: 8 and 8
    }

    // What Python's re.match(rf"(.*\.)?({pattern})$", name) says.
    [Theory]
    [InlineData("q_proj", "model.layers.0.self_attn.q_proj", true)]
    [InlineData("q_proj", "q_proj", true)]
    [InlineData("q_proj", "model.layers.0.self_attn.xq_proj", false)]
    [InlineData("q_proj", "model.layers.0.q_proj.x", false)]
    [InlineData("layers.1.self_attn.q_proj", "model.layers.1.self_attn.q_proj", true)]
    [InlineData("layers.1.self_attn.q_proj", "model.layers.11.self_attn.q_proj", false)]
    [InlineData("^model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.q_proj", true)]
    [InlineData("^layers.0.self_attn.q_proj", "model.layers.0.self_attn.q_proj", false)]
    [InlineData(@".*\.[01]\.self_attn\.o_proj", "model.layers.1.self_attn.o_proj", true)]
    [InlineData(@"(?P<part>gate|up)_proj", "model.layers.1.mlp.up_proj", true)]
    [InlineData(@"layers\.(?!1\.).*q_proj", "model.layers.1.self_attn.q_proj", false)]
    [InlineData(@"layers\.(?!1\.).*q_proj", "model.layers.2.self_attn.q_proj", true)]
    [InlineData("experts.gate_up_proj", "model.layers.1.experts.gate_up_proj", true)]
    public void Patterns_match_as_in_peft(string pattern, string name, bool matches)
    {
        LoraConfig config = Parse($$"""
            "r": 4, "lora_alpha": 4, "rank_pattern": {"{{pattern.Replace("\\", "\\\\", StringComparison.Ordinal)}}": 7}, "alpha_pattern": {"{{pattern.Replace("\\", "\\\\", StringComparison.Ordinal)}}": 21}
            """);
        Assert.Equal(matches ? 7 : 4, config.RankOf(name));
        Assert.Equal(matches ? 3 : 1, config.ScaleOf(name));
    }

    [Fact]
    public void The_first_pattern_that_matches_counts()
        => Assert.Equal(3, Parse("\"r\": 1, \"rank_pattern\": {\"k_proj\": 2, \".*_proj\": 3, \"q_proj\": 4}").RankOf("model.layers.0.self_attn.q_proj"));

    [Theory]
    [InlineData("\"use_dora\": true", "\"use_dora\" is set: DoRA scales")]
    [InlineData("\"use_qalora\": true", "\"use_qalora\" is set")]
    [InlineData("\"use_bdlora\": {\"nblocks\": 2}", "\"use_bdlora\" is set")]
    [InlineData("\"kasa_config\": {\"beta\": 1}", "\"kasa_config\" is set")]
    [InlineData("\"monteclora_config\": {\"a\": 1}", "\"monteclora_config\" is set")]
    [InlineData("\"arrow_config\": {\"a\": 1}", "\"arrow_config\" is set")]
    [InlineData("\"alora_invocation_tokens\": [1, 2]", "\"alora_invocation_tokens\" is set")]
    [InlineData("\"layer_replication\": [[0, 4], [2, 5]]", "\"layer_replication\" is set")]
    [InlineData("\"megatron_config\": {\"a\": 1}", "\"megatron_config\" is set")]
    [InlineData("\"modules_to_save\": [\"lm_head\"]", "\"modules_to_save\" is set")]
    [InlineData("\"trainable_token_indices\": {\"embed_tokens\": [3]}", "\"trainable_token_indices\" is set")]
    [InlineData("\"ensure_weight_tying\": true", "\"ensure_weight_tying\" is set")]
    [InlineData("\"fan_in_fan_out\": true", "\"fan_in_fan_out\" is set")]
    [InlineData("\"init_lora_weights\": \"pissa_niter_16\"", "path_initial_model_for_weight_conversion")]
    [InlineData("\"init_lora_weights\": \"olora\"", "\"olora\"")]
    [InlineData("\"use_something_new\": true", "\"use_something_new\" is set, which this version does not know")]
    [InlineData("\"r\": 0", "\"r\" is 0, expected an integer from 1")]
    [InlineData("\"r\": 2.5", "\"r\" is 2.5")]
    [InlineData("\"lora_alpha\": \"x\"", "\"lora_alpha\" is \"x\"")]
    [InlineData("\"lora_alpha\": 1e400", "\"lora_alpha\" is 1e400")]
    [InlineData("\"rank_pattern\": {\"(\": 4}", "is no regular expression")]
    [InlineData("\"rank_pattern\": {\"q_proj\": null}", "gives null")]
    [InlineData("\"rank_pattern\": [1]", "expected an object")]
    [InlineData("\"alpha_pattern\": {\"q_proj\": \"4\"}", "expected a finite number")]
    public void Refusals_say_which_setting_and_why(string settings, string reason) => Assert.Contains(reason, Refusal(settings), StringComparison.Ordinal);

    [Theory]
    [InlineData("""{"peft_type": "IA3"}""", "peft_type is \"IA3\"")]
    [InlineData("""{"r": 8}""", "peft_type is missing")]
    [InlineData("""[1]""", "not a JSON object")]
    [InlineData("""{""", "not valid JSON")]
    public void Other_files_are_refused(string json, string reason)
        => Assert.Contains(reason, Assert.Throws<ConfigException>(() => LoraConfig.Parse(Encoding.UTF8.GetBytes(json), "adapter_config.json")).Message, StringComparison.Ordinal);

    [Fact]
    public void What_matters_in_training_only_is_accepted()
        => Parse("""
            "lora_dropout": 0.1, "bias": "all", "init_lora_weights": "gaussian", "inference_mode": true, "task_type": "CAUSAL_LM", "layers_to_transform": [1, 2],
            "eva_config": {"rho": 2}, "velora_config": {"rank": 1}, "auto_mapping": {"unsloth_fixed": true}, "some_new_number": 16, "some_new_flag": false, "use_dora": false
            """);

    [Fact]
    public void A_pattern_that_explodes_on_backtracking_does_not()
        => Assert.Equal(1, Parse("\"r\": 1, \"rank_pattern\": {\"(a+)+b\": 2}").RankOf(new string('a', 5000)));
}
