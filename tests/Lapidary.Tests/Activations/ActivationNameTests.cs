using System.Diagnostics;
using System.Globalization;
using Lapidary.Tests.Checkpoints;

namespace Lapidary.Tests.Activations;

public sealed class ActivationNameTests
{
    [Theory]
    [InlineData("silu", "silu"), InlineData("swish", "silu"), InlineData("silu_and_mul", "silu")]
    [InlineData("gelu", "gelu"), InlineData("gelu_python", "gelu"), InlineData("gelu_and_mul", "gelu")]
    [InlineData("gelu_tanh", "gelu_tanh"), InlineData("gelu_pytorch_tanh", "gelu_tanh"), InlineData("gelu_new", "gelu_tanh")]
    [InlineData("gelu_fast", "gelu_tanh"), InlineData("gelu_accurate", "gelu_tanh"), InlineData("gelu_tanh_and_mul", "gelu_tanh")]
    [InlineData("relu2", "relu2"), InlineData("swigluoai", "swigluoai"), InlineData("swigluoai_and_mul", "swigluoai")]
    [InlineData("swiglustep", "swiglustep"), InlineData("swiglustep_and_mul", "swiglustep")]
    public void Names_of_vLLM_and_HuggingFace_resolve(string name, string expected)
    {
        (Activation activation, ActivationForm form) = ActivationRegistry.Default.Resolve(name);
        Assert.Equal((expected, ActivationForm.Gated), (activation.Name, form));
    }

    [Theory]
    [InlineData("silu_no_mul", "silu"), InlineData("gelu_no_mul", "gelu"), InlineData("gelu_tanh_no_mul", "gelu_tanh"), InlineData("relu2_no_mul", "relu2")]
    public void Non_gated_names_resolve(string name, string expected)
    {
        (Activation activation, ActivationForm form) = ActivationRegistry.Default.Resolve(name);
        Assert.Equal((expected, ActivationForm.NonGated), (activation.Name, form));
    }

    [Theory, InlineData("quick_gelu"), InlineData("GELU"), InlineData(""), InlineData("swigluoai_no_mul"), InlineData("relu"), InlineData("gelu_10")]
    public void An_unknown_name_lists_the_known_ones(string name)
    {
        string message = Assert.Throws<ConfigException>(() => Activation.FromHuggingFace(name)).Message;
        Assert.StartsWith($"unknown activation \"{name}\"; known: silu, swish, silu_and_mul, silu_no_mul, gelu, ", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_non_gated_name_is_no_configuration()
        => Assert.Contains("non-gated", Assert.Throws<ConfigException>(() => Activation.FromHuggingFace("silu_no_mul")).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("swigluoai_uninterleave", "needs the parameter limit"), InlineData("situ", "needs the parameter beta")]
    public void A_missing_parameter_is_named(string name, string expected)
        => Assert.Contains(expected, Assert.Throws<ConfigException>(() => Activation.FromHuggingFace(name)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_parameter_that_is_not_taken_is_refused()
        => Assert.Contains("takes no parameter limit", Assert.Throws<ConfigException>(() => Activation.FromHuggingFace("silu", new(Limit: 7))).Message, StringComparison.Ordinal);

    [Fact]
    public void Every_definition_in_the_assembly_is_registered()
    {
        string[] structs = [.. typeof(Activation).Assembly.GetTypes().Where(t => t.IsValueType && t.GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IActivation<>))).Select(t => t.Name).Order()];
        Assert.Equal(structs.Length, ActivationRegistry.Default.All.Count);
    }

    [Fact]
    public void All_names_are_distinct()
    {
        string[] names = [.. ActivationRegistry.Default.All.SelectMany(d => (string[])[d.Info.Name, .. d.Info.Aliases])];
        Assert.Equal(names.Length, names.Distinct().Count());
    }

    [Fact]
    public void A_new_activation_can_be_registered_and_a_taken_name_cannot()
    {
        ActivationRegistry registry = new(ActivationRegistry.Default.All);
        registry.Register<Cube>();
        Assert.Equal("cube", registry.Resolve("cube").Activation.Name);
        Assert.Contains("\"cube\" is taken", Assert.Throws<ConfigException>(registry.Register<Cube>).Message, StringComparison.Ordinal);
        registry.Unregister("cube");
        Assert.Throws<ConfigException>(() => registry.Resolve("cube"));
    }

    [Fact]
    public void Cuda_text_computes_the_function()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && File.Exists("/usr/bin/gcc"), "needs gcc to compile the expressions");
        using CheckpointFolder folder = new();
        (string Name, ActivationParameters Parameters)[] cases =
        [
            ("silu", ActivationParameters.None), ("gelu", ActivationParameters.None), ("gelu_tanh", ActivationParameters.None),
            ("relu2", ActivationParameters.None), ("swigluoai", ActivationParameters.None), ("swiglustep", ActivationParameters.None),
            ("swigluoai_uninterleave", new(1.3, 0.5, 3)), ("situ", new(Beta: 1.5, LinearBeta: 4)),
        ];
        string[] expressions = [.. cases.Select(c => Activation.FromHuggingFace(c.Name, c.Parameters).CudaExpression(ActivationForm.Gated))];
        string functions = string.Join("\n", expressions.Select((e, i) => $"float f{i}(float g, float u) {{ return {e}; }}"));
        string calls = string.Join("\n", expressions.Select((_, i) => $"printf(\"%.9g\\n\", f{i}(g, u));"));
        File.WriteAllText(folder["a.c"], $"#include <math.h>\n#include <stdio.h>\n{functions}\nint main() {{ for (float g = -9; g < 10; g += 1.37f) {{ float u = g * 0.7f - 1; {calls} }} }}");
        Run("/usr/bin/gcc", $"-o {folder["a"]} {folder["a.c"]} -lm");
        string[] lines = Run(folder["a"], "").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        int line = 0;
        for (float g = -9; g < 10; g += 1.37f)
            foreach ((string name, ActivationParameters parameters) in cases)
            {
                double truth = Activation.FromHuggingFace(name, parameters).Accept(new At(g, g * 0.7f - 1));
                Assert.Equal(truth, double.Parse(lines[line++], CultureInfo.InvariantCulture), Math.Max(1, Math.Abs(truth)) * 2e-6);
            }
        Assert.Equal(lines.Length, line);
    }

    private static string Run(string program, string arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return output;
    }

    private sealed class At(double gate, double up) : IActivationVisitor<double>
    {
        public double Visit<TActivation>(TActivation activation) where TActivation : struct, IActivation<TActivation>
            => TActivation.Combine(activation, new F64(gate), new F64(up)).Value;
    }

    private readonly struct Cube : IActivation<Cube>
    {
        public static ActivationInfo Info => new("cube", [], null, "test", HasNonGated: true, ActivationRounding.Once, Tolerance: 1e-6);
        public static T Apply<T>(Cube activation, T x) where T : struct, ILane<T> => x * x * x;
    }
}
