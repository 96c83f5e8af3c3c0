using System.Runtime.CompilerServices;

namespace Lapidary;

/// <summary>Every activation, each one definition. Nothing else in the product knows their names or formulas.</summary>
internal static class Activations
{
    public static IReadOnlyList<ActivationDefinition> Definitions { get; } =
    [
        ActivationDefinition.Of<Silu>(),
        ActivationDefinition.Of<GeluErf>(),
        ActivationDefinition.Of<GeluTanh>(),
        ActivationDefinition.Of<Relu2>(),
        ActivationDefinition.Of<SwigluOai>(),
        ActivationDefinition.Of<SwigluStep>(),
        ActivationDefinition.Of<SwigluOaiUninterleave>(),
        ActivationDefinition.Of<Situ>(),
    ];
}

/// <summary>x · σ(x).</summary>
public readonly struct Silu : IActivation<Silu>
{
    public static ActivationInfo Info => new(
        "silu", ["swish"], "silu_and_mul", "arXiv:1606.08415 §4", HasNonGated: true, ActivationRounding.Twice, Tolerance: 1e-6);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(Silu activation, T x) where T : struct, ILane<T> => x / (T.Const(1) + T.Exp(T.Const(0) - x));
}

/// <summary>½x · (1 + erf(x/√2)).</summary>
public readonly struct GeluErf : IActivation<GeluErf>
{
    public static ActivationInfo Info => new(
        "gelu", ["gelu_python"], "gelu_and_mul", "arXiv:1606.08415 §2", HasNonGated: true, ActivationRounding.Twice, Tolerance: 1e-6);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(GeluErf activation, T x) where T : struct, ILane<T>
        => T.Const(0.5) * x * (T.Const(1) + T.Erf(x * T.Const(0.7071067811865476)));
}

/// <summary>Tanh form of GELU. Differs from <see cref="GeluErf"/> by up to 4.7e-4, at |x| = 2.7.</summary>
public readonly struct GeluTanh : IActivation<GeluTanh>
{
    public static ActivationInfo Info => new(
        "gelu_tanh", ["gelu_pytorch_tanh", "gelu_python_tanh", "gelu_new", "gelu_fast", "gelu_accurate"], "gelu_tanh_and_mul",
        "arXiv:1606.08415 §2", HasNonGated: true, ActivationRounding.Twice, Tolerance: 1e-6);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(GeluTanh activation, T x) where T : struct, ILane<T>
    {
        T inner = T.Const(0.7978845608028654) * (x + T.Const(0.044715) * x * x * x); // √(2/π)
        return T.Const(0.5) * x * (T.Const(1) + T.Tanh(inner));
    }
}

/// <summary>max(x, 0)².</summary>
public readonly struct Relu2 : IActivation<Relu2>
{
    public static ActivationInfo Info => new(
        "relu2", ["relu_squared"], "relu2", "arXiv:2109.08668 §3", HasNonGated: true, ActivationRounding.Twice, Tolerance: 1e-6);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(Relu2 activation, T x) where T : struct, ILane<T>
    {
        T positive = T.Max(x, T.Const(0));
        return positive * positive;
    }
}

/// <summary>g' · σ(1.702 g') · (u' + 1) with g' = min(g, 7) and u' = u within ±7: gpt-oss.</summary>
public readonly struct SwigluOai : IActivation<SwigluOai>
{
    private static readonly SwigluOaiUninterleave Fixed = new(alpha: 1.702, beta: 1, limit: 7);

    public static ActivationInfo Info => new(
        "swigluoai", [], "swigluoai_and_mul", "vLLM csrc/activation_kernels.cu", HasNonGated: false, ActivationRounding.Once, Tolerance: 1e-6);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(SwigluOai activation, T x) where T : struct, ILane<T> => SwigluOaiUninterleave.Apply(Fixed, x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Combine<T>(SwigluOai activation, T gate, T up) where T : struct, ILane<T>
        => SwigluOaiUninterleave.Combine(Fixed, gate, up);
}

/// <summary>min(silu(g), 7) · (u within ±7): the clamp comes after the SiLU.</summary>
public readonly struct SwigluStep : IActivation<SwigluStep>
{
    public static ActivationInfo Info => new(
        "swiglustep", [], "swiglustep_and_mul", "vLLM fused_moe/activation.py", HasNonGated: false, ActivationRounding.Once, Tolerance: 1e-6);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(SwigluStep activation, T x) where T : struct, ILane<T> => T.Min(Silu.Apply(default, x), T.Const(7));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Combine<T>(SwigluStep activation, T gate, T up) where T : struct, ILane<T>
        => Apply(activation, gate) * T.Max(T.Min(up, T.Const(7)), T.Const(-7));
}

/// <summary>g' · σ(α g') · (u' + β) with g' = min(g, limit) and u' = u within ±limit; α, β and limit from the configuration.</summary>
public readonly struct SwigluOaiUninterleave(double alpha, double beta, double limit) : IActivation<SwigluOaiUninterleave>
{
    private readonly double alpha = alpha, beta = beta, limit = limit;

    public static ActivationInfo Info => new(
        "swigluoai_uninterleave", [], "silu_and_mul_with_clamp", "vLLM fused_moe/activation.py", HasNonGated: false,
        ActivationRounding.Once, Tolerance: 1e-6, "Alpha", "Beta", "Limit");

    public static SwigluOaiUninterleave Create(ActivationParameters parameters)
    {
        double limit = ActivationParameters.Required(parameters.Limit, Info.Name);
        if (!(limit > 0)) throw new ConfigException($"activation \"{Info.Name}\" needs a limit above 0, found {limit}");
        return new(parameters.Alpha ?? 1, parameters.Beta ?? 0, limit);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(SwigluOaiUninterleave activation, T x) where T : struct, ILane<T>
    {
        T gate = T.Min(x, T.Const(activation.limit));
        return gate * LaneMath.Sigmoid(T.Const(activation.alpha) * gate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Combine<T>(SwigluOaiUninterleave activation, T gate, T up) where T : struct, ILane<T>
        => Apply(activation, gate)
            * (T.Max(T.Min(up, T.Const(activation.limit)), T.Const(-activation.limit)) + T.Const(activation.beta));
}

/// <summary>β tanh(g/β) · σ(g) · (λ tanh(u/λ), or u when λ ≤ 0); β and the linear β λ from the configuration.</summary>
public readonly struct Situ(double beta, double linearBeta) : IActivation<Situ>
{
    private readonly double beta = beta, linearBeta = linearBeta;

    public static ActivationInfo Info => new(
        "situ", [], "situ_and_mul", "vLLM csrc/activation_kernels.cu", HasNonGated: false, ActivationRounding.Once, Tolerance: 1e-6,
        "Beta", "LinearBeta");

    public static Situ Create(ActivationParameters parameters)
    {
        double beta = ActivationParameters.Required(parameters.Beta, Info.Name);
        if (!(beta > 0)) throw new ConfigException($"activation \"{Info.Name}\" needs a beta above 0, found {beta}");
        return new(beta, parameters.LinearBeta ?? 0);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(Situ activation, T x) where T : struct, ILane<T>
        => T.Const(activation.beta) * T.Tanh(x / T.Const(activation.beta)) * LaneMath.Sigmoid(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Combine<T>(Situ activation, T gate, T up) where T : struct, ILane<T>
    {
        T linear = activation.linearBeta > 0
            ? T.Const(activation.linearBeta) * T.Tanh(up / T.Const(activation.linearBeta))
            : up;
        return Apply(activation, gate) * linear;
    }
}
