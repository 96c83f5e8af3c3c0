using Lapidary.Verification;

namespace Lapidary.Tests.Verification;

public sealed class ModelVariantTests
{
    [Fact]
    public void Settings_make_a_configuration()
    {
        ModelVariant variant = ModelVariant.Parse(["activation=gelu", "backend=reference", "model=/a/b=c", "device=cpu", "kv-cache-dtype=q8_0", "head-format=int4", "arithmetic=fast", "threads=3"]);
        Assert.Equal(
            ("gelu", "reference", "/a/b=c", "cpu", KeyValueType.Q8_0, 4, "fast", 3),
            (variant.Activation!.Name, variant.ExpertBackend, variant.Model, variant.Device, variant.KeyValueType!.Value, variant.HeadFormat!.Bits, variant.Arithmetic, variant.Threads));
        Assert.Equal("activation=gelu, backend=reference, model=/a/b=c, device=cpu, kv-cache-dtype=q8_0, head-format=int4, arithmetic=fast, threads=3", variant.ToString());
        Assert.Equal("as published", ModelVariant.Parse([]).ToString());
    }

    [Theory]
    [InlineData("gelu", "\"gelu\" is not NAME=VALUE")]
    [InlineData("backend=", "\"backend=\" is not NAME=VALUE")]
    [InlineData("=x", "unknown setting \"\"")]
    [InlineData("activaton=gelu", "known names: activation, backend, lora, model, device, kv-cache-dtype, head-format, arithmetic, threads")]
    [InlineData("activation=gelu_magic", "gelu_pytorch_tanh")]
    [InlineData("activation=gelu_no_mul", "non-gated")]
    [InlineData("kv-cache-dtype=f8", "known: f32, bf16, q8_0")]
    [InlineData("head-format=q4_0", "known: int8, int6, int5, int4")]
    [InlineData("threads=0", "expected 1 to 1024")]
    [InlineData("threads=many", "expected 1 to 1024")]
    public void A_setting_that_is_none_is_refused_with_the_known_ones(string setting, string says)
        => Assert.Contains(says, Assert.ThrowsAny<LapidaryException>(() => ModelVariant.Parse([setting])).Message, StringComparison.Ordinal);

    [Fact]
    public void A_setting_given_twice_is_refused()
        => Assert.Contains("given twice", Assert.Throws<RequestException>(() => ModelVariant.Parse(["threads=1", "threads=2"])).Message, StringComparison.Ordinal);
}
