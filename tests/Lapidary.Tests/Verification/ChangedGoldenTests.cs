using System.Runtime.InteropServices;
using System.Text.Json;
using Lapidary.Checkpoints;
using Lapidary.Cli;
using Lapidary.Cpu;
using Lapidary.Tests.Checkpoints;
using Lapidary.Verification;

namespace Lapidary.Tests.Verification;

/// <summary>Golden cases with something changed: in another layout, with another order of experts, or damaged.</summary>
public sealed class ChangedGoldenTests : IDisposable
{
    private readonly CheckpointFolder folder = new();
    private readonly CpuKernels kernels = new();

    public void Dispose()
    {
        kernels.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void Experts_stored_one_by_one_compute_the_same()
    {
        Copy("moe_silu", model: Unfuse);
        Assert.Equal(Parity.Run(Goldens.Case("moe_silu"), kernels, new ParityOptions()).Rows, Run().Rows);
    }

    [Theory]
    [InlineData("swap-halves")]
    [InlineData("drop-expert")]
    public void A_fault_in_experts_stored_one_by_one_is_noticed(string fault)
    {
        Copy("moe_silu", model: Unfuse);
        ParityReport report = Run(fault);
        Assert.Null(report.Problem);
        Assert.False(report.Ok);
    }

    [Fact]
    public void Chosen_experts_may_come_in_another_order()
    {
        Copy("moe_silu", golden: tensor => tensor.Name.EndsWith("topk_index", StringComparison.Ordinal) ? [Reversed<long>(tensor)]
            : tensor.Name.EndsWith("topk_weight", StringComparison.Ordinal) ? [Reversed<float>(tensor)] : [TensorToWrite.From(tensor)]);
        Assert.True(Run().Ok);
    }

    [Theory]
    [InlineData("topk_index")]
    [InlineData("topk_weight")]
    public void Another_expert_or_weight_is_noticed(string name)
    {
        Copy("moe_silu", golden: tensor => tensor.Name == $"p1.layers.0.{name}" ? [Changed(tensor, bytes => bytes[name == "topk_index" ? 0 : 3] ^= 1)] : [TensorToWrite.From(tensor)]);
        Assert.Contains(Run().Rows, row => !row.Ok && row.Tensor == $"p1.layers.0.{name}");
    }

    [Theory]
    [InlineData("p0.input_ids", 256)]
    [InlineData("p1.input_ids", -1)]
    [InlineData("p0.greedy_tokens", int.MaxValue)]
    public void A_token_outside_the_vocabulary_is_refused(string name, int id)
    {
        Copy("dense_min", golden: tensor => tensor.Name == name ? [Changed(tensor, bytes => MemoryMarshal.Cast<byte, long>(bytes.AsSpan())[1] = id)] : [TensorToWrite.From(tensor)]);
        Assert.Contains($"holds token id {id}, the model's vocabulary has 256", Assert.Throws<CheckpointException>(() => Run()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_prompt_is_refused()
    {
        Copy("dense_min", golden: tensor => [tensor.Name == "p0.input_ids" ? TensorToWrite.From(tensor.Name, DType.I64, [1, 0], ReadOnlyMemory<byte>.Empty) : TensorToWrite.From(tensor)]);
        Assert.Contains("prompt \"p0\" is empty", Assert.Throws<CheckpointException>(() => Run()).Message, StringComparison.Ordinal);
    }

    /// <summary>Infinity is no JSON number.</summary>
    [Fact]
    public void A_tensor_of_another_size_fails_in_tables_and_in_JSON()
    {
        Copy("dense_min", golden: tensor => [tensor.Name == "p1.logits" ? TensorToWrite.From(tensor.Name, DType.F32, [], new byte[4]) : TensorToWrite.From(tensor)]);
        ParityReport report = Run();
        Assert.Equal(double.PositiveInfinity, Assert.Single(report.Rows, row => !row.Ok).MaxAbs);
        Assert.Contains("\"tensor\":\"p1.logits\",\"max_abs\":\"Infinity\"", JsonSerializer.Serialize(report, CliJson.Default.ParityReport), StringComparison.Ordinal);
    }

    private ParityReport Run(string? fault = null)
        => Parity.Run(folder.Path, kernels, new ParityOptions { Fault = fault is null ? null : Fault.Parse(fault) });

    private void Copy(string name, Func<StoredTensor, TensorToWrite[]>? model = null, Func<StoredTensor, TensorToWrite[]>? golden = null)
    {
        File.Copy(Path.Combine(Goldens.Case(name), "config.json"), folder["config.json"]);
        Rewrite(name, "model.safetensors", model);
        Rewrite(name, "golden.safetensors", golden);
    }

    private void Rewrite(string name, string file, Func<StoredTensor, TensorToWrite[]>? change)
    {
        using ICheckpoint original = Checkpoint.Open(Path.Combine(Goldens.Case(name), file));
        SafetensorsWriter.WriteFile(folder[file], original.Names.SelectMany(tensor => (change ?? (t => [TensorToWrite.From(t)]))(original.Find(tensor)!)));
    }

    private static TensorToWrite[] Unfuse(StoredTensor tensor)
    {
        string prefix = tensor.Name[..(tensor.Name.LastIndexOf('.') + 1)];
        int experts = (int)tensor.Shape[0];
        if (tensor.Name.EndsWith("experts.down_proj", StringComparison.Ordinal))
            return [.. Enumerable.Range(0, experts).Select(e => TensorToWrite.From(tensor[e]) with { Name = $"{prefix}{e}.down_proj.weight" })];
        if (!tensor.Name.EndsWith("experts.gate_up_proj", StringComparison.Ordinal)) return [TensorToWrite.From(tensor)];
        int half = (int)tensor.Shape[1] / 2;
        return [.. Enumerable.Range(0, experts).SelectMany(e => (TensorToWrite[])[
            TensorToWrite.From(tensor[e].Rows(0, half)) with { Name = $"{prefix}{e}.gate_proj.weight" },
            TensorToWrite.From(tensor[e].Rows(half, half)) with { Name = $"{prefix}{e}.up_proj.weight" }])];
    }

    private static TensorToWrite Reversed<T>(StoredTensor tensor) where T : struct => Changed(tensor, bytes =>
    {
        Span<T> values = MemoryMarshal.Cast<byte, T>(bytes.AsSpan());
        for (int start = 0, width = (int)tensor.Shape[^1]; start < values.Length; start += width) values.Slice(start, width).Reverse();
    });

    private static TensorToWrite Changed(StoredTensor tensor, Action<byte[]> change)
    {
        byte[] bytes = tensor.Bytes(0, (int)tensor.ByteLength).ToArray();
        change(bytes);
        return TensorToWrite.From(tensor.Name, tensor.DType, tensor.Shape, bytes);
    }
}
