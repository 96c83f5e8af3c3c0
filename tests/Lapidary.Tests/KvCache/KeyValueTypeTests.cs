using Lapidary.Cpu;
using Lapidary.KvCache;
using Lapidary.Models;

namespace Lapidary.Tests.KvCache;

/// <summary>What keys and values are kept in, on the embedded model and in sums of memory.</summary>
public sealed class KeyValueTypeTests
{
    private static readonly Gemma4Config Config = Gemma4ConfigReader.Load(Goldens.TinyModel);

    public static TheoryData<KeyValueType> Types => [.. Enum.GetValues<KeyValueType>()];

    /// <summary>Logits to the last bit: a step attends to its own keys and values as they are cached.</summary>
    [Theory, MemberData(nameof(Types))]
    public void Logits_depend_neither_on_how_a_prompt_is_cut_nor_on_company_nor_on_what_was_cached(KeyValueType type)
    {
        using CpuKernels kernels = new();
        using LanguageModel model = LanguageModel.Open(
            Goldens.TinyModel, kernels, new LanguageModelOptions { ContextLength = 200, MaxSequences = 3, KeyValueType = type, MaxLogitRows = 3 });
        Assert.Equal(type, model.Cache.Type);
        int[] prompt = [.. Enumerable.Range(0, 150).Select(i => 300 + 37 * i % 4001)];
        float[] whole = Logits(model, prompt, [150]);
        Assert.Equal(whole, Logits(model, prompt, [1, 16, 3, 64, 65, 1]));
        Assert.NotEqual(whole, Logits(model, [301, .. prompt[1..]], [150])); // the comparison can tell

        using CacheSequence first = model.Cache.NewSequence(), found = model.Cache.NewSequence();
        Step(model, (first, prompt[..149], LogitRows.None));
        Assert.Equal(144, found.Restore(prompt)); // 9 blocks
        float[] both = Read(model, Step(model, (first, prompt[149..], LogitRows.Last), (found, prompt[144..], LogitRows.Last)));
        Assert.Equal(whole, both[..whole.Length]);
        Assert.Equal(whole, both[whole.Length..]);
    }

    [Fact]
    public void Types_that_round_change_logits_little()
    {
        using CpuKernels kernels = new();
        int[] prompt = [.. Enumerable.Range(0, 150).Select(i => 300 + 37 * i % 4001)];
        float[][] logits = [.. Enum.GetValues<KeyValueType>().Select(type =>
        {
            using LanguageModel model = LanguageModel.Open(Goldens.TinyModel, kernels, new LanguageModelOptions { ContextLength = 200, KeyValueType = type });
            return Logits(model, prompt, [150]);
        })];
        for (int type = 1; type < logits.Length; type++)
            Assert.InRange(logits[0].Zip(logits[type], (a, b) => Math.Abs(a - b)).Max(), 1e-4, 0.2);
    }

    [Theory, MemberData(nameof(Types))]
    public void The_memory_that_is_told_is_what_is_allocated(KeyValueType type)
    {
        using CpuKernels cpu = new(threads: 1);
        using MeasuringKernels kernels = new(cpu);
        using KeyValueCache cache = new(kernels, Config, contextLength: 500, maxStepTokens: 32, sequences: 3, type);
        Assert.Equal(kernels.Bytes, cache.ByteLength);

        long bytes = cache.ByteLength;
        CacheSize sized = CacheSize.ForMemory(Config, type, 500, 32, bytes);
        Assert.InRange(sized.Bytes(Config), bytes / 2, bytes);
        Assert.True(sized.FullBlocks <= cache.Groups[KeyValueCache.FullGroup].Pool.Blocks);
        // A text of full length sees in a full layer what its share of the cache holds.
        int full = Config.Layers.Count(l => l.IsFull), sliding = Config.Layers.Count - full;
        long perFull = 2L * type.HeadBytes(Config.Layers.First(l => l.IsFull).HeadDim), perSliding = 2L * 2 * type.HeadBytes(Config.Layers.First(l => !l.IsFull).HeadDim);
        Assert.Equal((full * perFull * 500) + (sliding * perSliding * Config.SlidingWindow), CacheSize.BytesRead(Config, type, 499));
    }

    [Fact]
    public void A_smaller_type_holds_more_in_the_same_memory()
    {
        long bytes = 40 << 20;
        int[] blocks = [.. Enum.GetValues<KeyValueType>().Select(type => CacheSize.ForMemory(Config, type, 500, 32, bytes).FullBlocks)];
        Assert.Equal(blocks.Order(), blocks);
        Assert.InRange(blocks[1] / (double)blocks[0], 1.95, 2.05);
        Assert.InRange(blocks[2] / (double)blocks[0], 3.5, 3.6); // 36 bytes for 32 columns instead of 128
        RequestException refusal = Assert.Throws<RequestException>(() => CacheSize.ForMemory(Config, KeyValueType.BF16, 500, 32, 1000));
        Assert.Contains("in bf16", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Fast_arithmetic_rounds_and_exact_does_not()
    {
        using CpuKernels exact = new(threads: 1), fast = new(new CpuOptions { Threads = 1, Arithmetic = Arithmetic.Fast });
        Assert.Equal((KeyValueType.F32, KeyValueType.BF16), (exact.DefaultKeyValueType, fast.DefaultKeyValueType));
    }

    private static float[] Logits(LanguageModel model, int[] prompt, int[] steps)
    {
        using CacheSequence sequence = model.Cache.NewSequence();
        float[] logits = [];
        for (int i = 0, done = 0; i < steps.Length; done += steps[i++])
            logits = Read(model, Step(model, (sequence, prompt[done..(done + steps[i])], LogitRows.Last)));
        sequence.Forget(); // the next starts from nothing
        return logits;
    }

    private static IBuffer Step(LanguageModel model, params (CacheSequence Sequence, int[] Tokens, LogitRows Rows)[] parts)
    {
        model.Batch.Clear();
        foreach ((CacheSequence sequence, int[] tokens, LogitRows rows) in parts) model.Batch.Add(sequence, tokens, rows);
        return model.Network.Forward(model.Batch, model.Cache);
    }

    private static float[] Read(LanguageModel model, IBuffer logits)
    {
        float[] values = new float[logits.Rows * logits.Columns];
        model.Kernels.Read(logits, values);
        return values;
    }

    private sealed class MeasuringKernels(IKernels inner) : ForwardingKernels(inner)
    {
        public long Bytes { get; private set; }

        public override IKeyValues AllocateKeyValues(KeyValueType type, int blocks, int blockSize, int heads, int headDim)
        {
            Bytes += 2L * blocks * blockSize * heads * type.HeadBytes(headDim);
            return base.AllocateKeyValues(type, blocks, blockSize, heads, headDim);
        }
    }
}
