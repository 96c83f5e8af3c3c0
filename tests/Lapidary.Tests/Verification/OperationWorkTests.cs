using CsCheck;
using Lapidary.Cpu;
using Lapidary.Experts;
using Lapidary.Quantization;
using Lapidary.Verification;

namespace Lapidary.Tests.Verification;

/// <summary>What operations read and compute, beside counting one by one.</summary>
public sealed class OperationWorkTests
{
    private static readonly Gen<(int First, int Tokens)[]> Texts = Gen.Select(Gen.Int[0, 30], Gen.Int[1, 12]).Array[1, 4];

    [Theory]
    [InlineData(ActivationForm.Gated, 3)]
    [InlineData(ActivationForm.NonGated, 2)]
    public void Experts_that_tokens_share_are_read_once_and_multiplied_for_each(ActivationForm form, int matrices)
    {
        ExpertLayerSpec spec = new(NumExperts: 8, TopK: 2, HiddenSize: 10, IntermediateSize: 7, Activation.Of<Silu>(), form, WeightFormat.OfDense(DType.BF16), HasLora: false);
        OperationWork work = OperationWork.OfExperts([3, 5, 5, 0, 3, 5], spec, bytesPerExpert: 1000);
        Assert.Equal(new OperationWork(3 * 1000, 6 * matrices * 10 * 7), work);
    }

    [Theory]
    [InlineData(KeyValueType.F32, 64 * 4)]
    [InlineData(KeyValueType.Q8_0, 2 * 36)]
    public void Attention_reads_what_a_text_sees_once_and_multiplies_for_each_token_and_head(KeyValueType type, int headBytes)
    {
        using CpuKernels kernels = new(threads: 1);
        using IKeyValues cache = kernels.AllocateKeyValues(type, blocks: 1, blockSize: 4, heads: 3, headDim: 40);
        Gen.Select(Texts, Gen.OneOf(Gen.Int[1, 20], Gen.Const(int.MaxValue))).Sample((texts, window) =>
        {
            List<int> positions = [], sequences = [];
            HashSet<(int Text, int Position)> read = [];
            int seen = 0;
            for (int text = 0; text < texts.Length; text++)
                for (int t = 0; t < texts[text].Tokens; t++)
                {
                    int own = texts[text].First + t;
                    positions.Add(own);
                    sequences.Add(text);
                    for (int p = 0; p <= own; p++)
                        if (own - p < window)
                        {
                            seen++;
                            read.Add((text, p));
                        }
                }
            OperationWork expected = new(read.Count * 2 * 3 * headBytes, seen * 2 * 6 * 40);
            Assert.Equal(expected, OperationWork.OfAttention([.. positions], [.. sequences], window, queryHeads: 6, cache));
        });
    }
}
