namespace Lapidary.Tests.Activations;

/// <summary>The facts of each activation as vLLM and HuggingFace have them, in a registry made anew, and its parameters.</summary>
public sealed class ActivationFactsTests
{
    /// <summary>Name, aliases, vLLM's fused operator, whether a non-gated form exists, parameters.</summary>
    private static readonly (ActivationInfo Info, string Name, string[] Aliases, string OpName, bool NonGated, string[] Parameters)[] Facts =
    [
        (Silu.Info, "silu", ["swish"], "silu_and_mul", true, []),
        (GeluErf.Info, "gelu", ["gelu_python"], "gelu_and_mul", true, []),
        (GeluTanh.Info, "gelu_tanh", ["gelu_pytorch_tanh", "gelu_python_tanh", "gelu_new", "gelu_fast", "gelu_accurate"], "gelu_tanh_and_mul", true, []),
        (Relu2.Info, "relu2", ["relu_squared"], "relu2", true, []),
        (SwigluOai.Info, "swigluoai", [], "swigluoai_and_mul", false, []),
        (SwigluStep.Info, "swiglustep", [], "swiglustep_and_mul", false, []),
        (SwigluOaiUninterleave.Info, "swigluoai_uninterleave", [], "silu_and_mul_with_clamp", false, ["Alpha", "Beta", "Limit"]),
        (Situ.Info, "situ", [], "situ_and_mul", false, ["Beta", "LinearBeta"]),
    ];

    private static readonly ActivationParameters Enough = new(Limit: 7, Beta: 1);

    private static ActivationRegistry Anew()
    {
        ActivationRegistry registry = new([]);
        registry.Register<Silu>();
        registry.Register<GeluErf>();
        registry.Register<GeluTanh>();
        registry.Register<Relu2>();
        registry.Register<SwigluOai>();
        registry.Register<SwigluStep>();
        registry.Register<SwigluOaiUninterleave>();
        registry.Register<Situ>();
        return registry;
    }

    [Fact]
    public void Facts_are_those_of_vLLM()
    {
        foreach (var (info, name, aliases, opName, nonGated, parameters) in Facts)
        {
            Assert.Equal((name, opName, nonGated), (info.Name, info.OpName, info.HasNonGated));
            Assert.Equal(aliases, info.Aliases);
            Assert.Equal(parameters, info.Parameters);
            Assert.Matches("^(arXiv:|vLLM )", info.Source);
        }
    }

    [Fact]
    public void Every_name_is_taken_and_listed()
    {
        ActivationRegistry registry = Anew();
        Assert.Equal(Facts.Select(f => f.Name), registry.All.Select(d => d.Info.Name));
        string listed = Assert.Throws<ConfigException>(() => registry.Resolve("no such")).Message;
        Assert.Equal(Facts.SelectMany(f => (string[])[f.Name, .. f.Aliases, f.OpName, .. f.NonGated ? (string[])[$"{f.Name}_no_mul"] : []]), listed[(listed.IndexOf("known: ", StringComparison.Ordinal) + 7)..].Split(", "));
        foreach (var (_, name, aliases, opName, _, parameters) in Facts)
            foreach (string known in (string[])[name, .. aliases, opName])
                Assert.Equal(name, registry.Resolve(known, parameters.Length == 0 ? null : parameters.Contains("Limit") ? Enough : new(Beta: 1)).Activation.Name);
        Assert.Contains("\"silu\" is taken", Assert.Throws<ConfigException>(registry.Register<Silu>).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("alpha"), InlineData("beta"), InlineData("limit"), InlineData("linearbeta")]
    public void Each_parameter_is_refused_where_it_is_not_taken(string parameter)
    {
        ActivationParameters given = parameter switch { "alpha" => new(Alpha: 1), "beta" => new(Beta: 1), "limit" => new(Limit: 1), _ => new(LinearBeta: 1) };
        Assert.Contains($"\"silu\" takes no parameter {parameter}", Assert.Throws<ConfigException>(() => Anew().Resolve("silu", given)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("swigluoai_uninterleave", 0, "needs a limit above 0, found 0"), InlineData("swigluoai_uninterleave", -1, "needs a limit above 0"), InlineData("swigluoai_uninterleave", double.NaN, "needs a limit above 0")]
    [InlineData("situ", 0, "needs a beta above 0, found 0"), InlineData("situ", -2, "needs a beta above 0"), InlineData("situ", double.NaN, "needs a beta above 0")]
    public void A_parameter_out_of_range_is_refused(string name, double value, string says)
    {
        ActivationParameters given = name == "situ" ? new(Beta: value) : new(Limit: value);
        string message = Assert.Throws<ConfigException>(() => Anew().Resolve(name, given)).Message;
        Assert.Contains($"\"{name}\"", message, StringComparison.Ordinal);
        Assert.Contains(says, message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_parameter_is_named_without_its_owner()
        => Assert.EndsWith("\"situ\" needs the parameter beta", Assert.Throws<ConfigException>(() => Anew().Resolve("situ")).Message, StringComparison.Ordinal);

    [Theory, InlineData("silu"), InlineData("gelu"), InlineData("gelu_tanh"), InlineData("relu2")]
    public void The_text_of_a_non_gated_form_has_one_input(string name)
    {
        Activation activation = Anew().Resolve(name).Activation;
        string nonGated = activation.CudaExpression(ActivationForm.NonGated), gated = activation.CudaExpression(ActivationForm.Gated);
        Assert.Matches(@"\bx\b", nonGated);
        Assert.DoesNotMatch(@"\b[gu]\b", nonGated);
        Assert.Matches(@"\bg\b", gated);
        Assert.Matches(@"\bu\b", gated);
    }
}
