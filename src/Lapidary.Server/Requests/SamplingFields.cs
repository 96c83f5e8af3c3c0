using System.Globalization;
using System.Text.Json;
using Lapidary.Sampling;
using Lapidary.Server.Errors;

namespace Lapidary.Server.Requests;

/// <summary>
/// Sampling as OpenAI and vLLM name it. What the request leaves out comes from the model's generation_config.json, then from
/// OpenAI's defaults. Types are checked here, ranges by <see cref="SamplingParameters.Checked"/>.
/// </summary>
internal static class SamplingFields
{
    private const int MaxStops = 64, MaxStopCharacters = 4096, MaxIds = 4096;

    /// <param name="defaults">The model's.</param>
    /// <exception cref="ApiException">A value has the wrong type or is out of range.</exception>
    public static SamplingParameters Read(Fields f, SamplingParameters defaults)
    {
        SamplingParameters sampling = defaults with
        {
            Temperature = f.Number("temperature") ?? defaults.Temperature,
            TopP = f.Number("top_p") ?? defaults.TopP,
            TopK = f.Integer("top_k") ?? defaults.TopK,
            MinP = f.Number("min_p") ?? defaults.MinP,
            RepetitionPenalty = f.Number("repetition_penalty") ?? defaults.RepetitionPenalty,
            PresencePenalty = f.Number("presence_penalty") ?? defaults.PresencePenalty,
            FrequencyPenalty = f.Number("frequency_penalty") ?? defaults.FrequencyPenalty,
            LogitBias = Bias(f) ?? defaults.LogitBias,
            Seed = f.Long("seed") is { } seed and not -1 ? seed : null, // -1 means none, as in vLLM
            N = f.Integer("n") ?? 1,
            MinTokens = f.Integer("min_tokens") ?? 0,
            Stop = Stops(f) ?? [],
            StopTokenIds = Bounded(f.Integers("stop_token_ids"), "stop_token_ids") ?? [],
            IgnoreEos = f.Flag("ignore_eos") ?? false,
            IncludeStopStrInOutput = f.Flag("include_stop_str_in_output") ?? false,
            SkipSpecialTokens = f.Flag("skip_special_tokens") ?? true,
            BadWords = Bounded(f.Texts("bad_words"), "bad_words") ?? [],
            AllowedTokenIds = f.Integers("allowed_token_ids"),
        };
        RefuseOthers(f);
        return sampling;
    }

    /// <summary>What vLLM knows and this server does not do.</summary>
    private static void RefuseOthers(Fields f)
    {
        foreach (string name in (string[])["structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar", "guided_decoding_backend", "guided_whitespace_pattern", "structural_tag"])
            f.Refuse(name, "constrained output is not implemented");
        f.RefuseFlag("use_beam_search", "there is no beam search");
        if (f.Number("length_penalty") is { } penalty && penalty != 1) throw f.Unsupported("length_penalty", "there is no beam search");
        if (f.Flag("spaces_between_special_tokens") == false) throw f.Unsupported("spaces_between_special_tokens", "text is decoded as the tokenizer says");
        foreach (string name in (string[])["truncate_prompt_tokens", "truncation_side"]) f.Refuse(name, "a prompt that is too long is refused, never cut");
        foreach (string name in (string[])["logits_processors", "logprob_token_ids", "kv_transfer_params", "ec_transfer_params", "watermarking", "vllm_xargs", "prompt_embeds", "repetition_detection"]) f.Refuse(name, "it is not implemented");
        f.RefuseFlag("return_token_offsets", "there is no route that renders only; /tokenize tells tokens");
        if (f.Integer("stream_interval", 1) is > 1) throw f.Unsupported("stream_interval", "every token is sent when it is there");
        if (f.Integer("routed_experts_prompt_start", 0) is > 0) throw f.Unsupported("routed_experts_prompt_start", "routed experts are not told");
        foreach (string name in (string[])["mm_processor_kwargs", "media_io_kwargs"]) f.Refuse(name, "this model takes text only");
    }

    private static string[]? Stops(Fields f)
    {
        if (f.Take("stop") is not { } value) return null;
        string[] stops = value.ValueKind switch
        {
            JsonValueKind.String => [JsonValues.Text(value, "stop")],
            JsonValueKind.Array => JsonValues.Texts(value, "stop"),
            _ => throw JsonValues.Wrong(value, "stop", "a string or an array of strings"),
        };
        if (stops.Length > MaxStops) throw ApiException.Invalid("stop", $"stop has {stops.Length} texts, more than the {MaxStops} allowed");
        if (stops.Any(stop => stop.Length > MaxStopCharacters)) throw ApiException.Invalid("stop", $"stop holds a text of more than {MaxStopCharacters} characters");
        return stops;
    }

    /// <summary>{"token id": bias}; as in vLLM a bias beyond ±100 counts as ±100.</summary>
    private static Dictionary<int, double>? Bias(Fields f)
    {
        if (f.Take("logit_bias") is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Object) throw JsonValues.Wrong(value, "logit_bias", "an object of token ids and numbers");
        string[] words = [.. value.EnumerateObject().Select(member => member.Name).Where(name => !IsNumber(name))];
        if (words.Length > 0) throw ApiException.Invalid("logit_bias", $"logit_bias has the keys {MessageText.Some(words, 5)}, expected token ids like \"5\"");
        Dictionary<int, double> biases = [];
        foreach (JsonProperty member in value.EnumerateObject())
        {
            int id = int.Parse(member.Name, CultureInfo.InvariantCulture);
            biases[id] = Math.Clamp(JsonValues.Number(member.Value, $"logit_bias.{member.Name}"), -100, 100);
        }
        return biases;
    }

    /// <summary>Written as this server writes it: "05" and "+5" would be second keys for "5".</summary>
    private static bool IsNumber(string key)
        => int.TryParse(key, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int id) && id.ToString(CultureInfo.InvariantCulture) == key;

    private static IReadOnlyList<T>? Bounded<T>(IReadOnlyList<T>? values, string name)
        => values is null || values.Count <= MaxIds ? values : throw ApiException.Invalid(name, $"{name} has {values.Count} elements, more than the {MaxIds} allowed");
}
