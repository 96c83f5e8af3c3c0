using System.Runtime.CompilerServices;

namespace Lapidary;

/// <summary>Whether an activation multiplies a second factor ("gated") or stands alone ("NAME_no_mul").</summary>
public enum ActivationForm
{
    Gated,
    NonGated,
}

/// <summary>How the reference implementations round a gated result stored in a 16-bit type.</summary>
public enum ActivationRounding
{
    /// <summary>activation(gate) is rounded to the storage type, then the product again: HuggingFace eager and vLLM.</summary>
    Twice,

    /// <summary>All in float32, rounded once at the end.</summary>
    Once,
}

/// <summary>What is known of an activation besides its formula.</summary>
/// <param name="Name">The value string, as vLLM spells it.</param>
/// <param name="Aliases">Other names of the same function (HuggingFace's ACT2FN, vLLM).</param>
/// <param name="OpName">vLLM's fused operator for the gated form.</param>
/// <param name="Source">Where the formula comes from.</param>
/// <param name="HasNonGated">Whether "NAME_no_mul" exists.</param>
/// <param name="Rounding">How a reference in a 16-bit type rounds.</param>
/// <param name="Tolerance">Largest error of a float32 evaluation against float64, relative to max(1, |y|).</param>
/// <param name="Parameters">Names of the parameters it takes, as in <see cref="ActivationParameters"/>.</param>
public sealed record ActivationInfo(
    string Name, string[] Aliases, string? OpName, string Source, bool HasNonGated, ActivationRounding Rounding,
    double Tolerance, params string[] Parameters)
{
    public string NonGatedName => $"{Name}_no_mul";
}

/// <summary>Values that a model's configuration gives to a parameterised activation; null where it gives none.</summary>
public sealed record ActivationParameters(double? Alpha = null, double? Beta = null, double? Limit = null, double? LinearBeta = null)
{
    public static ActivationParameters None { get; } = new();

    /// <summary>The value of a parameter that has to be given.</summary>
    /// <exception cref="ConfigException">It is not.</exception>
    internal static double Required(double? value, string activation, [CallerArgumentExpression(nameof(value))] string parameter = "")
        => value ?? throw new ConfigException($"activation \"{activation}\" needs the parameter {parameter[(parameter.LastIndexOf('.') + 1)..].ToLowerInvariant()}");

    internal IEnumerable<string> Given()
    {
        if (Alpha is not null) yield return nameof(Alpha);
        if (Beta is not null) yield return nameof(Beta);
        if (Limit is not null) yield return nameof(Limit);
        if (LinearBeta is not null) yield return nameof(LinearBeta);
    }
}

/// <summary>
/// One activation function, written once over abstract lanes. Parameters, where there are any, are fields of the struct.
/// </summary>
public interface IActivation<TSelf> where TSelf : struct, IActivation<TSelf>
{
    static abstract ActivationInfo Info { get; }

    /// <summary>The activation with a configuration's parameters.</summary>
    static virtual TSelf Create(ActivationParameters parameters) => default;

    /// <summary>Non-gated form, and the factor that the gate contributes in the gated form.</summary>
    static abstract T Apply<T>(TSelf activation, T x) where T : struct, ILane<T>;

    /// <summary>Gated form: what a gated MLP multiplies its down projection with.</summary>
    static virtual T Combine<T>(TSelf activation, T gate, T up) where T : struct, ILane<T>
        => TSelf.Apply(activation, gate) * up;
}

/// <summary>Receives an activation as a type argument, so that kernels are specialised once, at load.</summary>
public interface IActivationVisitor<TResult>
{
    TResult Visit<TActivation>(TActivation activation) where TActivation : struct, IActivation<TActivation>;
}

/// <summary>An activation chosen at run time, its parameters fixed.</summary>
public abstract class Activation
{
    public abstract ActivationInfo Info { get; }
    public string Name => Info.Name;
    public abstract TResult Accept<TResult>(IActivationVisitor<TResult> visitor);

    /// <summary>CUDA C++ text of the formula over the float variables g and u (gated) or x (non-gated).</summary>
    public abstract string CudaExpression(ActivationForm form);

    public static Activation Of<TActivation>(TActivation activation = default)
        where TActivation : struct, IActivation<TActivation> => new Closed<TActivation>(activation);

    /// <summary>The activation that a configuration names, e.g. hidden_activation "gelu_pytorch_tanh".</summary>
    /// <exception cref="ConfigException">Unknown name (the message lists the known ones) or wrong parameters.</exception>
    public static Activation FromHuggingFace(string name, ActivationParameters? parameters = null)
        => ActivationRegistry.Default.Resolve(name, parameters) is (var activation, ActivationForm.Gated)
            ? activation
            : throw new ConfigException($"activation \"{name}\" is a non-gated form; a configuration names the function itself");

    public override string ToString() => Name;

    private sealed class Closed<TActivation>(TActivation activation) : Activation
        where TActivation : struct, IActivation<TActivation>
    {
        public override ActivationInfo Info => TActivation.Info;

        public override TResult Accept<TResult>(IActivationVisitor<TResult> visitor) => visitor.Visit(activation);

        public override string CudaExpression(ActivationForm form) => form == ActivationForm.Gated
            ? TActivation.Combine(activation, new CudaText("g"), new CudaText("u")).Text
            : TActivation.Apply(activation, new CudaText("x")).Text;
    }
}
