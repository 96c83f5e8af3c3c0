using System.Runtime.CompilerServices;
using Lapidary.Conformance;

namespace Lapidary.Tests.Activations;

/// <summary>
/// x · σ(1.702 x), an activation that the product does not have. This one file is all there is of it; AddedActivationTests
/// shows that everything else takes it from here. docs/adding-an-activation.md tells the steps with it as the example.
/// </summary>
internal readonly struct QuickGelu : IActivation<QuickGelu>
{
    public static ActivationInfo Info => new(
        "quick_gelu", ["gelu_quick"], "quick_gelu_and_mul", "github.com/hendrycks/GELUs", HasNonGated: true, ActivationRounding.Twice, Tolerance: 1e-6);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(QuickGelu activation, T x) where T : struct, ILane<T> => x * LaneMath.Sigmoid(T.Const(1.702) * x);

    /// <summary>What the conformance matrix compares with.</summary>
    public static ReferenceFormula Formula { get; } = new((gate, up) => Truth(gate) * up, Truth, "x/2 · (1 + tanh(0.851 x))");

    /// <summary>The truth in float64, written apart from the lanes.</summary>
    public static double Truth(double x) => x / 2 * (1 + Math.Tanh(0.851 * x));
}
