using System.Text;
using System.Text.Json.Nodes;
using Lapidary.KvCache;
using Lapidary.Models;

namespace Lapidary.Speculation;

/// <summary>How drafts are made, as in vLLM's --speculative-config.</summary>
/// <param name="NumSpeculativeTokens">Most tokens of a draft.</param>
public abstract record SpeculativeConfig(int NumSpeculativeTokens)
{
    /// <summary>Most tokens of a draft that can be asked for.</summary>
    public const int MaxTokens = 16;

    private const string Source = "--speculative-config", Ngram = "ngram", Mtp = "mtp", Tokens = "num_speculative_tokens";
    private const int DefaultTokens = 4, DefaultMin = 2, DefaultMax = 4, LongestLookup = 64;

    /// <summary>Reads vLLM's JSON object, or the short form METHOD:key=value,key=value with the same keys.</summary>
    /// <exception cref="ConfigException">Names what is wrong and what is known.</exception>
    public static SpeculativeConfig Parse(string text)
        => JsonConfig.Parse(Encoding.UTF8.GetBytes(text.TrimStart().StartsWith('{') ? text : FromShort(text)), Source, Read);

    /// <summary>Whether drafts can be made for such a model: a look at configurations only.</summary>
    /// <exception cref="ConfigException">They cannot; the message says why.</exception>
    internal virtual void Check(Gemma4Config target)
    {
        // a method without files has nothing that could not fit
    }

    /// <param name="maxSequences">Most texts that grow at once.</param>
    internal abstract IDrafter Create(IKernels kernels, Gemma4 target, KeyValueCache cache, int maxSequences);

    private static string FromShort(string text)
    {
        string[] parts = text.Split(':', 2);
        JsonObject json = new() { ["method"] = parts[0].Trim() };
        foreach (string pair in parts.Length == 1 ? [] : parts[1].Split(','))
        {
            string[] sides = pair.Split('=', 2);
            if (sides.Length == 1 || json.ContainsKey(sides[0].Trim()))
                throw new ConfigException($"{Source}: {MessageText.Quote(pair)} is not key=value with a key of its own, as in ngram:num_speculative_tokens=4,prompt_lookup_max=4");
            json[sides[0].Trim()] = int.TryParse(sides[1], out int number) ? number : sides[1];
        }
        return json.ToJsonString();
    }

    private static SpeculativeConfig Read(JsonConfig c)
    {
        string? method = c.String("method") ?? (c.String("model") is null ? null : Mtp); // vLLM takes a drafter alone too
        return method switch
        {
            Ngram => ReadNgram(c),
            Mtp => ReadMtp(c),
            _ => throw c.Error($"method is {(method is null ? "missing" : MessageText.Quote(method))}; known: {Ngram}, {Mtp}"),
        };
    }

    private static NgramConfig ReadNgram(JsonConfig c)
    {
        RequireKnown(c, "method", Tokens, "prompt_lookup_min", "prompt_lookup_max");
        // As in vLLM: one bound alone is both where the other's default contradicts it.
        int max = c.Int("prompt_lookup_max", Math.Max(DefaultMax, c.Int("prompt_lookup_min", DefaultMin, max: LongestLookup)), max: LongestLookup);
        int min = c.Int("prompt_lookup_min", Math.Min(DefaultMin, max), max: LongestLookup);
        if (min > max) throw c.Error($"prompt_lookup_min {min} is more than prompt_lookup_max {max}");
        return new NgramConfig(NumTokens(c), min, max);
    }

    private static MtpConfig ReadMtp(JsonConfig c)
    {
        RequireKnown(c, "method", Tokens, "model");
        return new MtpConfig(NumTokens(c), c.String("model") ?? throw c.Error($"method {Mtp} needs \"model\", the folder of the drafter"));
    }

    private static int NumTokens(JsonConfig c) => c.Int(Tokens, DefaultTokens, max: MaxTokens);

    private static void RequireKnown(JsonConfig c, params string[] known)
    {
        if (c.Keys().Except(known).FirstOrDefault() is { } unknown) throw c.Error($"unknown key {MessageText.Quote(unknown)}; known are {string.Join(", ", known)}");
    }
}

/// <summary>Prompt lookup: what followed the same tokens earlier in the text.</summary>
/// <param name="PromptLookupMin">Least tokens that must agree.</param>
/// <param name="PromptLookupMax">Most tokens looked for.</param>
public sealed record NgramConfig(int NumSpeculativeTokens, int PromptLookupMin, int PromptLookupMax) : SpeculativeConfig(NumSpeculativeTokens)
{
    internal override IDrafter Create(IKernels kernels, Gemma4 target, KeyValueCache cache, int maxSequences)
        => new NgramDrafter(kernels, NumSpeculativeTokens, PromptLookupMin, PromptLookupMax);
}

/// <summary>The drafter that Google publishes for each Gemma 4 (multi-token prediction).</summary>
/// <param name="Model">Its folder.</param>
public sealed record MtpConfig(int NumSpeculativeTokens, string Model) : SpeculativeConfig(NumSpeculativeTokens)
{
    internal override void Check(Gemma4Config target) => Gemma4AssistantConfig.Load(Model, target);

    internal override IDrafter Create(IKernels kernels, Gemma4 target, KeyValueCache cache, int maxSequences)
        => new MtpDrafter(kernels, Gemma4Assistant.Load(Model, target, kernels, maxSequences), cache, NumSpeculativeTokens, maxSequences);
}
