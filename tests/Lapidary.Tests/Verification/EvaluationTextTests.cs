using Lapidary.Tokenizers;
using Lapidary.Verification;

namespace Lapidary.Tests.Verification;

public sealed class EvaluationTextTests
{
    [Fact]
    public void Windows_cover_the_text_each_after_the_prefix()
    {
        EvaluationText text = EvaluationText.Of([10, 11, 12, 13, 14], [2], contextLength: 3);
        Assert.Equal([[2, 10, 11], [2, 12, 13], [2, 14]], text.Windows);
        Assert.Equal((5, 8, 1), (text.Scored, text.Computed, text.PrefixLength));
    }

    [Fact]
    public void Without_a_prefix_the_first_token_of_a_window_is_predicted_by_nothing()
    {
        EvaluationText text = EvaluationText.Of([10, 11, 12, 13, 14], [], contextLength: 3);
        Assert.Equal([[10, 11, 12], [13, 14]], text.Windows);
        Assert.Equal(3, text.Scored);
    }

    [Fact]
    public void A_prefix_written_out_in_the_text_is_not_doubled()
    {
        Tokenizer tokenizer = Tokenizer.Load(Goldens.TinyModel);
        EvaluationText plain = EvaluationText.Of(tokenizer, "Hello, Tom!", 64), written = EvaluationText.Of(tokenizer, "<bos>Hello, Tom!", 64);
        Assert.Equal(plain.Windows, written.Windows);
        Assert.Equal(tokenizer.Encode("Hello, Tom!"), Assert.Single(plain.Windows));
        Assert.Equal(1, plain.PrefixLength);
    }

    [Fact]
    public void A_text_can_be_cut() => Assert.Equal([[2, 10, 11]], EvaluationText.Of([10, 11, 12], [2], 8, maxTokens: 2).Windows);

    [Fact]
    public void What_leaves_nothing_to_predict_is_refused()
    {
        Assert.Contains("0 tokens", Assert.Throws<RequestException>(() => EvaluationText.Of([], [2], 8)).Message, StringComparison.Ordinal);
        Assert.Contains("longer text", Assert.Throws<RequestException>(() => EvaluationText.Of([5], [], 8)).Message, StringComparison.Ordinal);
        Assert.Contains("at least 3", Assert.Throws<RequestException>(() => EvaluationText.Of([5, 6], [1, 2], 2)).Message, StringComparison.Ordinal);
        Assert.Contains("at least 1", Assert.Throws<RequestException>(() => EvaluationText.Of([5, 6], [1, 2], 8, maxTokens: 0)).Message, StringComparison.Ordinal);
    }
}
