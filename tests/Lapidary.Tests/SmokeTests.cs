namespace Lapidary.Tests;

public sealed class SmokeTests
{
    [Fact]
    public void DType_sizes_are_bytes() => Assert.Equal(2, DType.BF16.Size());
}
