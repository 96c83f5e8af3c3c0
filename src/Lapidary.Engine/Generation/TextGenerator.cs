using Lapidary.Models;
using Lapidary.Sampling;
using Lapidary.Scheduling;
using Lapidary.Speculation;

namespace Lapidary.Generation;

/// <summary>Generates one text at a time on the caller's thread: an engine for one sequence, with its prefix cache.</summary>
public sealed class TextGenerator
{
    private readonly EngineCore core;
    private readonly EngineCounters counters = new();
    private readonly SequenceFactory sequences;

    public TextGenerator(LanguageModel model)
    {
        StepLimits limits = new(Sequences: 1, model.Batch.MaxTokens, model.Network.MaxLogitRows);
        core = new EngineCore(model.Kernels, model.Network, model.Cache, model.Batch, limits, PrefixCaching.On, counters, model.Drafter);
        sequences = new SequenceFactory(
            model.Cache, model.Network.VocabSize, model.Adapters, model.HasTokenizer ? model.Tokenizer : null, model.EosTokenIds, PrefixCaching.On, TimeProvider.System);
    }

    /// <summary>The seed of the last text.</summary>
    public long Seed { get; private set; }

    /// <summary>Steps computed so far, and what became of drafts.</summary>
    public EngineStatistics Statistics => counters.Snapshot(EngineHealth.Ready);

    /// <summary>The tokens of a text as they come, the one that ends it included.</summary>
    /// <param name="adapter">Name of a loaded adapter; null for the model itself.</param>
    /// <exception cref="RequestException">The prompt or a parameter is outside what the model can serve.</exception>
    /// <exception cref="AdapterException">No adapter of that name is loaded.</exception>
    public IEnumerable<TokenEvent> Generate(ReadOnlySpan<int> prompt, SamplingParameters parameters, string? adapter = null, CancellationToken cancel = default)
    {
        InferenceRequest request = new() { Id = "text", PromptIds = [.. prompt], Sampling = parameters with { N = 1 }, Adapter = adapter };
        sequences.Check(request);
        RequestHandle handle = new(request, maxUnreadEvents: SpeculativeConfig.MaxTokens + 2);
        Seed = handle.Seed;
        return Run(handle, cancel);
    }

    private IEnumerable<TokenEvent> Run(RequestHandle handle, CancellationToken cancel)
    {
        core.Add(sequences.Make(handle).Single());
        try
        {
            while (core.Step())
            {
                while (handle.Events.TryRead(out TokenEvent next)) // none while more of the prompt is to come
                {
                    if (next.Completion?.Error is { } error) throw error;
                    cancel.ThrowIfCancellationRequested();
                    yield return next;
                }
            }
        }
        finally
        {
            handle.Cancel(); // whoever stops reading early wants no more
            core.Step();
        }
    }
}
