using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Models;
using Lapidary.Sampling;
using Lapidary.Scheduling;

namespace Lapidary.Tests.Scheduling;

public sealed class EngineLoopTests
{
    [Fact]
    public async Task Greedy_tokens_are_those_of_HuggingFace()
    {
        using CpuKernels kernels = new();
        using LanguageModel model = LanguageModel.Open(Goldens.TinyModel, kernels, new EngineOptions().Sized(new LanguageModelOptions()));
        using EngineLoop engine = new(model, new EngineOptions());
        using ICheckpoint golden = Checkpoint.Open(Path.Combine(Goldens.TinyModel, "golden.safetensors"));
        string[] prompts = [.. golden.Names.Where(n => n.EndsWith(".prompt_ids", StringComparison.Ordinal)).Select(n => n[..^".prompt_ids".Length])];
        Assert.True(prompts.Length > 1);
        foreach (string prompt in prompts)
        {
            int[] expected = golden.Find($"{prompt}.output_ids")!.ToInt32s();
            RequestHandle handle = engine.Submit(new InferenceRequest
            {
                Id = prompt,
                PromptIds = [.. golden.Find($"{prompt}.prompt_ids")!.ToInt32s()],
                Sampling = new SamplingParameters { Temperature = 0, MaxTokens = expected.Length },
            });
            List<TokenEvent> events = [];
            await foreach (TokenEvent e in handle.Events.ReadAllAsync(TestContext.Current.CancellationToken)) events.Add(e);
            Assert.Equal(expected, events.Select(e => e.TokenId));
            Assert.Equal(expected.Length, events[^1].Completion!.Usage.CompletionTokens);
            Assert.All(events.SkipLast(1), e => Assert.Null(e.Completion));
        }
    }
}
