using Lapidary.Checkpoints;
using Lapidary.Generation;
using Lapidary.Models;
using Lapidary.Quantization;
using Lapidary.Templates;
using Lapidary.Tokenizers;

namespace Lapidary.Tests.Models;

/// <summary>Tokenizer and template read beside the weights: files stay open as long as that takes, and what is wrong with them is told once they are needed.</summary>
public sealed class TextFilesTests
{
    /// <summary>The embedded model's text; its weights are not looked at.</summary>
    private sealed class Files : ModelFiles
    {
        public ManualResetEventSlim MayRead { get; } = new(initialState: true);
        public ManualResetEventSlim Begun { get; } = new();
        public Exception? Failure { get; init; }
        public bool Tokenizes { get; init; } = true;
        public int Reads { get; private set; }

        public override bool HasTokenizer => Tokenizes;
        public override IWeightSource Weights => throw new NotSupportedException();
        public override IReadOnlyList<StoredPart> Parts => [];
        public override GenerationConfig GenerationConfig => throw new NotSupportedException();

        public override Tokenizer LoadTokenizer()
        {
            Begun.Set();
            MayRead.Wait(TestContext.Current.CancellationToken);
            Reads++;
            return Failure is null ? Tokenizer.Load(Location) : throw Failure;
        }

        public override ChatTemplate LoadChatTemplate() => ChatTemplate.Load(Location);

        public override void Dispose()
        {
            MayRead.Dispose();
            Begun.Dispose();
        }
    }

    private static Files Open(Exception? failure = null, bool tokenizes = true) => new()
    {
        Location = DefaultModel.Embedded(),
        Config = Gemma4ConfigReader.Load(DefaultModel.Embedded()),
        Failure = failure,
        Tokenizes = tokenizes,
    };

    [Fact]
    public async Task Files_are_closed_only_when_nobody_reads_them()
    {
        using Files files = Open();
        files.MayRead.Reset();
        TextFiles text = new(files, early: true);
        files.Begun.Wait(TestContext.Current.CancellationToken);
        Task closing = Task.Run(text.Dispose, TestContext.Current.CancellationToken);
        await Task.Delay(50, TestContext.Current.CancellationToken);
        Assert.False(closing.IsCompleted);
        files.MayRead.Set();
        await closing;
        Assert.Equal(1, files.Reads);
    }

    [Fact]
    public void What_was_read_early_is_not_read_again()
    {
        using Files files = Open();
        using TextFiles text = new(files, early: true);
        files.Begun.Wait(TestContext.Current.CancellationToken);
        Assert.Equal("Hello", text.Tokenizer.Decode(text.Tokenizer.Encode("Hello", SpecialTokens.Omit)));
        Assert.Same(text.ChatTemplate, text.ChatTemplate);
        Assert.Equal(1, files.Reads);
    }

    [Fact]
    public void A_failure_is_told_whoever_needs_the_tokenizer_and_nobody_else()
    {
        TokenizerException failure = new("broken");
        using Files files = Open(failure);
        using TextFiles text = new(files, early: true);
        Assert.NotNull(text.ChatTemplate);
        Assert.Same(failure, Assert.Throws<TokenizerException>(() => text.Tokenizer));
        Assert.Same(failure, Assert.Throws<TokenizerException>(() => text.Tokenizer));
        Assert.Equal(1, files.Reads);
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public void Nothing_is_read_that_was_not_asked_for_or_is_not_there(bool early, bool tokenizes)
    {
        using Files files = Open(tokenizes: tokenizes);
        new TextFiles(files, early).Dispose();
        Assert.Equal(0, files.Reads);
    }
}
