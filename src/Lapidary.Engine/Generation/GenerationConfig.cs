using System.Text.Json;
using Lapidary.Sampling;

namespace Lapidary.Generation;

/// <summary>generation_config.json: a model's own defaults.</summary>
/// <param name="Defaults">Sampling, where the caller says nothing: greedy unless do_sample is set, as in HuggingFace.</param>
/// <param name="ServerDefaults">The same for requests over HTTP: the file's values whatever do_sample says, temperature 1 where it has none, as in vLLM.</param>
/// <param name="EosTokenIds">Tokens that end a text; empty when the file names none.</param>
public sealed record GenerationConfig(SamplingParameters Defaults, SamplingParameters ServerDefaults, IReadOnlyList<int> EosTokenIds)
{
    /// <summary>Without a file HuggingFace decodes greedily.</summary>
    /// <exception cref="ConfigException">The file is malformed.</exception>
    public static GenerationConfig Load(string folder)
    {
        string file = Path.Combine(folder, "generation_config.json");
        if (!File.Exists(file)) return new GenerationConfig(new SamplingParameters { Temperature = 0 }, new SamplingParameters(), []);
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(file), new JsonDocumentOptions { MaxDepth = 32 });
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw new ConfigException($"{file}: not a JSON object");
            return Read(new JsonConfig(document.RootElement, file));
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or IOException)
        {
            throw new ConfigException($"{file}: not valid JSON ({exception.Message})", exception);
        }
    }

    private static GenerationConfig Read(JsonConfig c)
    {
        SamplingParameters sampled = new()
        {
            Temperature = c.Double("temperature", 1),
            TopK = c.Int("top_k", 0, min: -1),
            TopP = c.Double("top_p", 1),
            MinP = c.Double("min_p", 0),
            RepetitionPenalty = c.Double("repetition_penalty", 1),
        };
        try
        {
            sampled.Checked(int.MaxValue);
        }
        catch (RequestException exception)
        {
            throw c.Error(exception.Message);
        }
        return new GenerationConfig(c.Bool("do_sample", false) ? sampled : sampled with { Temperature = 0 }, sampled, c.Ints("eos_token_id"));
    }
}
