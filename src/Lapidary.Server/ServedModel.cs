using Lapidary.Models;
using Lapidary.Sampling;
using Lapidary.Scheduling;
using Lapidary.Server.Errors;
using Lapidary.Server.OpenAi;
using Lapidary.Templates;
using Lapidary.Tokenizers;
using Lapidary.Tools;

namespace Lapidary.Server;

/// <summary>A loaded model, the engine that runs it, and what the API says of it.</summary>
public sealed class ServedModel
{
    /// <summary>OpenAI's and vLLM's.</summary>
    public const int DefaultMaxLogprobs = 20;

    private readonly DateTimeOffset loaded = DateTimeOffset.UtcNow;
    private readonly Lazy<ChatTemplate> template;

    /// <param name="model">Still disposed by the caller, after the engine.</param>
    /// <param name="names">In the API; the first is shown.</param>
    public ServedModel(LanguageModel model, EngineLoop engine, IReadOnlyList<string> names)
    {
        Model = model;
        Engine = engine;
        Names = names;
        Format = OutputFormats.For(model);
        Defaults = model.GenerationConfig.ServerDefaults;
        template = new Lazy<ChatTemplate>(() => TemplateFile is null ? model.ChatTemplate : ChatTemplate.Load(TemplateFile));
    }

    internal LanguageModel Model { get; }
    internal EngineLoop Engine { get; }
    internal IReadOnlyList<string> Names { get; }

    /// <summary>A chat template other than the model's own.</summary>
    public string? TemplateFile { get; init; }

    /// <summary>How the model writes reasoning and tool calls; by default what its tokenizer and template speak of.</summary>
    public OutputFormat Format { get; init; }

    /// <summary>Sampling where a request says nothing; by default the model's generation_config.json.</summary>
    public SamplingParameters Defaults { get; init; }

    /// <summary>Most alternatives of one token that a request may ask for; -1 for no bound.</summary>
    public int MaxLogprobs { get; init; } = DefaultMaxLogprobs;

    internal int ContextLength => Model.ContextLength;

    internal int VocabSize => Model.Config.VocabSize;

    /// <exception cref="ApiException">400: the model has no tokenizer.</exception>
    internal Tokenizer Tokenizer => Model.HasTokenizer
        ? Model.Tokenizer
        : throw new ApiException(StatusCodes.Status400BadRequest, "This model has no tokenizer; only token ids can be completed.") { Code = "no_tokenizer" };

    /// <exception cref="ApiException">400: there is none that can be used.</exception>
    internal ChatTemplate Template => WithoutTemplate is null
        ? template.Value
        : throw new ApiException(StatusCodes.Status400BadRequest, "This model has no usable chat template; use /v1/completions, or have the server started with --chat-template.") { Code = "no_chat_template" };

    /// <summary>Why there are no chats with this model, for the operator; null when there are.</summary>
    public string? WithoutTemplate
    {
        get
        {
            try
            {
                _ = template.Value;
                return null;
            }
            catch (TemplateException fault)
            {
                return fault.Message;
            }
        }
    }

    /// <summary>Loads what is otherwise loaded by the first request, so that a fault shows at the start.</summary>
    /// <exception cref="LapidaryException">The tokenizer or the given template cannot be used.</exception>
    public void Prepare()
    {
        if (Model.HasTokenizer) _ = Model.Tokenizer.VocabSize;
        if (TemplateFile is not null) _ = template.Value;
    }

    /// <summary>The name that a request gave, when there is such a model; the first name when it gave none.</summary>
    /// <exception cref="ApiException">404: there is no such model.</exception>
    internal string Resolve(string? requested)
    {
        if (requested is null) return Names[0];
        return IsModelName(requested) || HasAdapter(requested) ? requested : throw ApiException.ModelNotFound(requested);
    }

    /// <summary>The adapter that a name from <see cref="Resolve"/> stands for; null for the model itself.</summary>
    internal string? AdapterOf(string name) => IsModelName(name) ? null : name;

    internal bool HasAdapter(string name) => Model.Adapters.Loaded.Any(adapter => adapter.Name == name);

    internal bool IsModelName(string name) => Names.Contains(name);

    /// <summary>Serves an adapter under its own name, beside the model's. May be called while requests run.</summary>
    /// <exception cref="LapidaryException">It cannot be served; the message says why.</exception>
    public void LoadAdapter(string folder, string name, bool replace = false)
    {
        if (IsModelName(name)) throw new AdapterException($"{MessageText.Quote(name)} is a name of the model itself; choose another for the adapter in {folder}");
        Model.Adapters.Load(folder, name, replace);
    }

    internal IEnumerable<ModelCard> Cards() =>
    [
        .. Names.Select(name => new ModelCard(name, loaded.ToUnixTimeSeconds(), LastPart(Model.Location), Parent: null, ContextLength)),
        .. Model.Adapters.Loaded.Select(adapter => new ModelCard(adapter.Name, adapter.Loaded.ToUnixTimeSeconds(), LastPart(adapter.Folder), Parent: Names[0], ContextLength)),
    ];

    private static string LastPart(string path) => Path.GetFileName(Path.TrimEndingDirectorySeparator(path));
}
