namespace Lapidary;

/// <summary>What is known of an activation besides its formula.</summary>
/// <param name="Name">The value string, as vLLM spells it.</param>
/// <param name="Aliases">Other names that mean the same function (HuggingFace, vLLM).</param>
/// <param name="OpName">vLLM's fused operator name for the gated form, e.g. "gelu_tanh_and_mul".</param>
/// <param name="Source">Where the formula comes from.</param>
/// <param name="HasNonGated">Whether the form without a second factor exists under "NAME_no_mul".</param>
/// <param name="Tolerance">Largest error of a float32 evaluation against float64, relative to max(1, |y|).</param>
public sealed record ActivationInfo(
    string Name, string[] Aliases, string? OpName, string Source, bool HasNonGated, double Tolerance);

/// <summary>
/// One activation function, written once over abstract lanes. Parameters, where there are any, are fields of the struct.
/// </summary>
public interface IActivation<TSelf> where TSelf : struct, IActivation<TSelf>
{
    static abstract ActivationInfo Info { get; }

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

/// <summary>An activation chosen at run time.</summary>
public abstract class Activation
{
    public abstract ActivationInfo Info { get; }
    public string Name => Info.Name;
    public abstract TResult Accept<TResult>(IActivationVisitor<TResult> visitor);

    public static Activation Of<TActivation>(TActivation activation = default)
        where TActivation : struct, IActivation<TActivation> => new Closed<TActivation>(activation);

    public override string ToString() => Name;
    public static Activation FromHuggingFace(string name) => name switch { "gelu" => Of<TGelu>(), "gelu_pytorch_tanh" => Of<TTanh>(), "silu" => Of<TSilu>(), _ => throw new ConfigException("unknown") };

    private sealed class Closed<TActivation>(TActivation activation) : Activation
        where TActivation : struct, IActivation<TActivation>
    {
        public override ActivationInfo Info => TActivation.Info;
        public override TResult Accept<TResult>(IActivationVisitor<TResult> visitor) => visitor.Visit(activation);
    }
}
