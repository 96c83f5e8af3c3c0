using CsCheck;
using Lapidary.Speculation;

namespace Lapidary.Tests.Speculation;

public sealed class NgramDrafterTests
{
    [Theory]
    [InlineData(new[] { 1, 2, 3, 4, 2, 3 }, 4, 2, 3, new[] { 4, 2, 3 })]        // the example in vLLM's source
    [InlineData(new[] { 1, 2, 3, 4, 2, 3 }, 2, 2, 3, new[] { 4, 2 })]           // no more than asked for
    [InlineData(new[] { 2, 3, 7, 1, 2, 3, 8, 1, 2, 3 }, 1, 1, 3, new[] { 8 })]  // the longest run before the earliest
    [InlineData(new[] { 2, 3, 7, 1, 2, 3, 8, 1, 2, 3 }, 1, 1, 2, new[] { 7 })]  // the earliest of equal length
    [InlineData(new[] { 5, 5, 5, 5 }, 4, 2, 3, new[] { 5 })]                    // places may overlap
    [InlineData(new[] { 1, 2, 3, 9, 3 }, 4, 2, 3, new int[0])]                  // shorter than the least
    [InlineData(new[] { 1, 2, 3, 4 }, 4, 1, 3, new int[0])]
    [InlineData(new[] { 1 }, 4, 1, 3, new int[0])]
    public void What_followed_the_same_tokens_is_proposed(int[] tokens, int maxTokens, int shortest, int longest, int[] expected)
        => Assert.Equal(expected, NgramDrafter.Find(tokens, maxTokens, shortest, longest).ToArray());

    [Fact]
    public void The_place_is_that_of_a_search_place_by_place()
    {
        int found = 0;
        Gen.Select(Gen.Int[0, 3].Array[1, 40], Gen.Int[1, 6], Gen.Int[1, 3], Gen.Int[0, 4]).Sample((tokens, maxTokens, shortest, more) =>
        {
            int[] expected = PlaceByPlace(tokens, maxTokens, shortest, shortest + more);
            Assert.Equal(expected, NgramDrafter.Find(tokens, maxTokens, shortest, shortest + more).ToArray());
            if (expected.Length > 0) Interlocked.Increment(ref found);
        }, iter: 3000);
        Assert.InRange(found, 1000, 2900);
    }

    /// <summary>For each end of a run the length by which it agrees with the end of the text; the longest wins, then the earliest.</summary>
    private static int[] PlaceByPlace(int[] tokens, int maxTokens, int shortest, int longest)
    {
        (int Length, int End) best = (0, 0);
        for (int end = 1; end < tokens.Length; end++)
        {
            int length = 0;
            while (length < Math.Min(end, longest) && tokens[end - 1 - length] == tokens[tokens.Length - 1 - length]) length++;
            if (length > best.Length) best = (length, end);
        }
        return best.Length < shortest ? [] : [.. tokens.Skip(best.End).Take(maxTokens)];
    }
}
