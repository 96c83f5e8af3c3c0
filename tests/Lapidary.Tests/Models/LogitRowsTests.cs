using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.KvCache;
using Lapidary.Models;
using Lapidary.Quantization;
using Lapidary.Tests.Lora;

namespace Lapidary.Tests.Models;

/// <summary>Layers leave out tokens that get no logits once all keys and values are known; what is computed does not change by it.</summary>
public sealed class LogitRowsTests
{
    private static readonly int[] First = [2, 30, 7, 11, 5, 19, 23, 8], Second = [2, 9, 42, 17, 25], Third = [2, 33, 44, 55, 21, 22];

    public static TheoryData<string> Cases => [.. Goldens.Cases];

    [Theory, MemberData(nameof(Cases))]
    public void A_tokens_logits_do_not_depend_on_which_others_get_some(string name)
    {
        string folder = Goldens.Case(name);
        using CpuKernels kernels = new();
        using ICheckpoint checkpoint = Checkpoint.Open(folder);
        using Gemma4 model = AdapterGoldens.Open(folder, kernels, checkpoint, maxLoras: 0);
        (float[][] some, float[][] someNext) = Run(model, kernels, (First, LogitRows.Last), (Second, LogitRows.None), (Third, LogitRows.All));
        (float[][] all, float[][] allNext) = Run(model, kernels, (First, LogitRows.All), (Second, LogitRows.All), (Third, LogitRows.All));
        (_, float[][] noneNext) = Run(model, kernels, (First, LogitRows.None), (Second, LogitRows.None), (Third, LogitRows.None));

        Assert.Equal([all[First.Length - 1], .. all[(First.Length + Second.Length)..]], some);
        Assert.Equal(allNext, someNext); // the keys and values of all are in the cache
        Assert.Equal(allNext, noneNext);
        Assert.NotEqual(all[First.Length - 1], all[First.Length - 2]); // the comparison can tell
        Assert.NotEqual(allNext[0], allNext[1]);
    }

    [Fact]
    public void Rows_keep_their_adapters()
    {
        string folder = AdapterGoldens.Case("all_linear");
        using CpuKernels kernels = new();
        using ICheckpoint checkpoint = Checkpoint.Open(Goldens.TinyModel);
        using Gemma4 model = AdapterGoldens.OpenTinyModel(kernels, checkpoint, maxLoras: 1);
        int slot = model.Adapters.Load(folder, "a").Slot;
        float[][] together = AdapterGoldens.Logits(model, kernels, (First, ForwardBatch.NoAdapter), (Second, slot), (Third, ForwardBatch.NoAdapter));

        Assert.Equal(AdapterGoldens.AllLogits(model, kernels, First, ForwardBatch.NoAdapter)[^model.VocabSize..], together[0]);
        Assert.Equal(AdapterGoldens.AllLogits(model, kernels, Second, slot)[^model.VocabSize..], together[1]);
        Assert.NotEqual(AdapterGoldens.AllLogits(model, kernels, Second, ForwardBatch.NoAdapter)[^model.VocabSize..], together[1]);
    }

    /// <summary>Models and the number of their layers that need no other tokens: the last that stores, and those that share its cache.</summary>
    [Theory]
    [InlineData("moe_keqv_bf16", LogitRows.Last, 1)]
    [InlineData("moe_keqv_bf16", LogitRows.None, 1)]
    [InlineData("everything", LogitRows.Last, 5)]
    [InlineData("everything", LogitRows.All, 0)]
    public void Layers_that_no_later_token_reads_compute_rows_with_logits_only(string name, LogitRows rows, int narrowLayers)
    {
        string folder = Goldens.Case(name);
        using AttendedRows kernels = new(new CpuKernels());
        using ICheckpoint checkpoint = Checkpoint.Open(folder);
        using Gemma4 model = AdapterGoldens.Open(folder, kernels, checkpoint, maxLoras: 0);
        Run(model, kernels, (First, rows));

        int layers = model.Config.Layers.Count, few = rows == LogitRows.Last ? 1 : 0;
        IEnumerable<int> expected = Enumerable.Repeat(First.Length, layers - narrowLayers).Concat(Enumerable.Repeat(few, few * narrowLayers));
        Assert.Equal(expected, kernels.Rows.Take(kernels.Rows.Count - layers)); // without the second step's
    }

    /// <summary>Logits of a step, and of the next, in which each text goes on with token 3.</summary>
    private static (float[][] Logits, float[][] Next) Run(Gemma4 model, IKernels kernels, params IReadOnlyList<(int[] Prompt, LogitRows Rows)> texts)
    {
        using KeyValueCache cache = new(kernels, model.Config, 64, 64, texts.Count);
        using ForwardBatch batch = new(kernels, cache, 64, texts.Count);
        CacheSequence[] sequences = [.. texts.Select(_ => cache.NewSequence())];
        for (int i = 0; i < sequences.Length; i++) batch.Add(sequences[i], texts[i].Prompt, texts[i].Rows);
        float[][] first = Step();
        foreach (CacheSequence sequence in sequences) batch.Add(sequence, [3], LogitRows.Last);
        return (first, Step());

        float[][] Step()
        {
            IBuffer logits = model.Forward(batch, cache);
            batch.Clear();
            var all = new float[logits.Rows * logits.Columns];
            kernels.Read(logits, all);
            return [.. all.Chunk(logits.Columns)];
        }
    }

    /// <summary>Notes how many rows each layer's attention computes.</summary>
    private sealed class AttendedRows(IKernels inner) : ForwardingKernels(inner)
    {
        public List<int> Rows { get; } = [];

        public override void Attention(IBuffer queries, IKeyValues cache, AttentionBatch batch, int? window, IBuffer output)
        {
            Rows.Add(queries.Rows);
            base.Attention(queries, cache, batch, window, output);
        }
    }
}
