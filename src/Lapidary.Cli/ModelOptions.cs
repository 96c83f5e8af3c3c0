using System.CommandLine;
using Lapidary.Cpu;
using Lapidary.Models;
using Lapidary.Sampling;

namespace Lapidary.Cli;

/// <summary>Options of every command that generates text, and what they make.</summary>
/// <param name="spareAdapterSlots">Room for adapters that are loaded later.</param>
internal sealed class ModelOptions(int spareAdapterSlots = 0)
{
    private readonly Option<string?> model = new("--model", "-m") { Description = "Model folder or *.gguf file; the embedded model by default." };
    private readonly Option<int?> context = new("--context") { Description = "Most tokens of prompt and output together." };
    private readonly Option<string?> kvCacheDtype = KvCacheOption.Create();
    private readonly Option<string?> headFormat = HeadFormatOption.Create();
    private readonly CpuChoices cpu = new();
    private readonly Option<string?> backend = new("--expert-backend") { Description = "Force an expert backend (see inspect)." };
    private readonly Option<int?> maxTokens = new("--max-tokens", "-n") { Description = "Most tokens of output; by default as many as the context holds." };
    private readonly Option<double?> temperature = new("--temperature") { Description = "0 for the most likely token always; the model's own default otherwise." };
    private readonly Option<int?> topK = new("--top-k") { Description = "Only the k most likely tokens; 0 for all." };
    private readonly Option<double?> topP = new("--top-p") { Description = "Only the smallest set of tokens that reaches this probability." };
    private readonly Option<double?> minP = new("--min-p") { Description = "Only tokens at least this likely relative to the most likely." };
    private readonly Option<double?> repetition = new("--repetition-penalty") { Description = "Above 1 against repetition of prompt and output." };
    private readonly Option<double?> presence = new("--presence-penalty") { Description = "Above 0 against tokens already in the output." };
    private readonly Option<double?> frequency = new("--frequency-penalty") { Description = "Above 0 against tokens frequent in the output." };
    private readonly Option<long?> seed = new("--seed") { Description = "Repeat a run: same seed, same text." };
    private readonly Option<string[]> stop = new("--stop") { Description = "End the output before this text; may be given several times." };

    private readonly Option<string?> speculative = SpeculativeOption.Create();
    private readonly LoraOptions lora = new();

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[model, maxTokens, temperature, topK, topP, minP, repetition, presence, frequency, seed, stop, context, kvCacheDtype, headFormat, backend, speculative])
            command.Options.Add(option);
        lora.AddTo(command);
        cpu.AddTo(command);
    }

    public CpuKernels Kernels(ParseResult parsed) => cpu.Open(parsed, parsed.GetValue(model));

    public LanguageModel Open(ParseResult parsed, IKernels kernels)
    {
        ProgressBar bar = new("loading", "layer");
        LanguageModel opened = LanguageModel.Open(parsed.GetValue(model) ?? DefaultModel.Locate(), kernels, new LanguageModelOptions
        {
            ContextLength = parsed.GetValue(context),
            KeyValueType = KvCacheOption.Parse(parsed.GetValue(kvCacheDtype)),
            HeadFormat = HeadFormatOption.Parse(parsed.GetValue(headFormat)),
            ExpertBackend = parsed.GetValue(backend),
            MaxLoras = LoraOptions.Slots(parsed.GetValue(lora.Lora), parsed.GetValue(lora.MaxLoras), spareAdapterSlots),
            Speculative = SpeculativeOption.Parse(parsed.GetValue(speculative)),
            ReadsText = true,
            Progress = bar.Update,
        });
        bar.Clear();
        return opened;
    }

    /// <summary>Loads the adapters that were named.</summary>
    /// <returns>The first, which answers; null for the model itself.</returns>
    /// <exception cref="LapidaryException">One cannot be served; the message says why.</exception>
    public string? LoadAdapters(ParseResult parsed, LanguageModel model) => LoraOptions.Load(parsed.GetValue(lora.Lora), model.Adapters);

    public SamplingParameters Sampling(ParseResult parsed, LanguageModel model)
    {
        SamplingParameters defaults = model.GenerationConfig.Defaults;
        return (defaults with
        {
            Temperature = parsed.GetValue(temperature) ?? defaults.Temperature,
            TopK = parsed.GetValue(topK) ?? defaults.TopK,
            TopP = parsed.GetValue(topP) ?? defaults.TopP,
            MinP = parsed.GetValue(minP) ?? defaults.MinP,
            RepetitionPenalty = parsed.GetValue(repetition) ?? defaults.RepetitionPenalty,
            PresencePenalty = parsed.GetValue(presence) ?? defaults.PresencePenalty,
            FrequencyPenalty = parsed.GetValue(frequency) ?? defaults.FrequencyPenalty,
            Seed = parsed.GetValue(seed),
            MaxTokens = parsed.GetValue(maxTokens),
            Stop = parsed.GetValue(stop) ?? [],
        }).Checked(model.Config.VocabSize);
    }
}
