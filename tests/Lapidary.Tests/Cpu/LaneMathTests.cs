using System.Runtime.Intrinsics;

namespace Lapidary.Tests.Cpu;

public sealed class LaneMathTests
{
    private static readonly float[] Arguments = [.. Enumerable.Range(-125_000, 250_000).Select(i => i / 1000f), -0f, 1e-30f, -1e-30f, 126.99999f];

    [Fact]
    public void A_power_of_two_is_that_of_float64()
    {
        double worst = Arguments.Max(x => Math.Abs(LaneMath.Exp2(new V1(x)).Value / Math.Pow(2, x) - 1));
        Assert.InRange(worst, 1e-8, 4e-7); // and no better than float32 can be, or nothing was compared
    }

    [Fact]
    public void A_power_of_two_is_the_same_at_every_width()
        => Assert.All(Arguments.Where((_, i) => i % 97 == 0), x =>
        {
            float expected = LaneMath.Exp2(new V1(x)).Value;
            Assert.Equal(Vector128.Create(expected), LaneMath.Exp2(new V4(Vector128.Create(x))).Value);
            Assert.Equal(Vector256.Create(expected), LaneMath.Exp2(new V8(Vector256.Create(x))).Value);
            Assert.Equal(Vector512.Create(expected), LaneMath.Exp2(new V16(Vector512.Create(x))).Value);
        });

    [Fact]
    public void A_power_of_two_far_below_is_next_to_nothing_and_NaN_stays()
    {
        foreach (float x in (float[])[float.NegativeInfinity, -1e30f, -127.5f])
            foreach (float power in (float[])[LaneMath.Exp2(new V1(x)).Value, LaneMath.Exp2(new V4(Vector128.Create(x))).Value[3], LaneMath.Exp2(new V8(Vector256.Create(x))).Value[7], LaneMath.Exp2(new V16(Vector512.Create(x))).Value[15]])
                Assert.InRange(power, 0, 1.2e-38f);
        Assert.True(float.IsNaN(LaneMath.Exp2(new V1(float.NaN)).Value));
        Assert.True(float.IsNaN(LaneMath.Exp2(new V4(Vector128.Create(float.NaN))).Value[0]));
        Assert.True(float.IsNaN(LaneMath.Exp2(new V8(Vector256.Create(float.NaN))).Value[0]));
        Assert.True(float.IsNaN(LaneMath.Exp2(new V16(Vector512.Create(float.NaN))).Value[0]));
    }
}
