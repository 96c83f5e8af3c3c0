using Lapidary.Experts;

namespace Lapidary.Conformance;

/// <summary>What to run.</summary>
public sealed record ConformanceOptions
{
    /// <summary>A deliberate error to put in, or null.</summary>
    public MoeFault? Fault { get; init; }

    /// <summary>Only cells of this backend, activation, format or shape; null for all.</summary>
    public string? Backend { get; init; }

    /// <inheritdoc cref="Backend"/>
    public string? Activation { get; init; }

    /// <inheritdoc cref="Backend"/>
    public string? Format { get; init; }

    /// <inheritdoc cref="Backend"/>
    public string? Shape { get; init; }

    /// <summary>One cell of so many: a sample in which every pair of backend, activation, format and shape still meets.</summary>
    public int Stride { get; init; } = 1;

    /// <summary>Float64 formulas of activations that are registered from elsewhere, by name.</summary>
    public IReadOnlyDictionary<string, ReferenceFormula> Formulas { get; init; } = new Dictionary<string, ReferenceFormula>();

    /// <summary>Told cells done and cells in all.</summary>
    public Action<int, int>? Progress { get; init; }
}

/// <summary>
/// Bounds of a cell: of the relative RMS error over tokens with wide gates and over those in the tail of the activation, and
/// of the largest difference of an output, in units of the largest expected (1 at least).
/// </summary>
internal readonly record struct CellBounds(double Wide, double Tail, double Absolute)
{
    /// <summary>
    /// float32: 1e-5, where the erf form of GELU for its tanh form shows 5e-5 at least; in the tail 1 + tanh cancels, in
    /// HuggingFace's float32 kernels too. bfloat16: 1e-2, as the error of one rounding is 2e-3. int8 in groups of 32: 2e-2, as
    /// vLLM's own tests of int8 experts; rounding alone comes to 1e-2 here. A wrong form shows in the tail from 2e-2 on.
    /// </summary>
    public static CellBounds Of(DType hiddenStates) => hiddenStates switch
    {
        DType.F32 => new(1e-5, 1e-2, double.PositiveInfinity),
        DType.I8 => new(2e-2, 1.5e-2, 2e-2),
        _ => new(1e-2, 1e-2, 2e-2),
    };

    public bool Hold(CellErrors errors) => errors.Wide <= Wide && errors.Tail <= Tail && errors.MaxAbs <= Absolute * Math.Max(1, errors.Largest);
}

/// <summary>What a backend answers to one cell.</summary>
/// <param name="Refusal">Why not; null when it serves it.</param>
public sealed record CellAnswer(string Backend, string Activation, string Format, string Shape, string? Refusal);

/// <summary>Activation × expert backend × weight format × shape against float64.</summary>
public static class MoeConformance
{
    /// <summary>What every backend answers to every cell; computes nothing.</summary>
    public static IReadOnlyList<CellAnswer> Answers(IKernels kernels) =>
    [
        .. from format in ConformanceFormat.All
           from shape in ConformanceShape.All
           from activation in ConformanceActivation.All(ActivationRegistry.Default)
           from backend in kernels.ExpertBackends
           select new CellAnswer(backend.Name, activation.Name, format.Name, shape.Name, backend.Supports(shape.Spec(activation, format)).Reason),
    ];

    /// <exception cref="RequestException">An option names no backend, activation, format or shape.</exception>
    public static ConformanceReport Run(IKernels kernels, ConformanceOptions options)
    {
        IExpertBackend[] backends = Chosen("expert backend", kernels.ExpertBackends, b => b.Name, options.Backend);
        ConformanceActivation[] activations = Chosen("activation", ConformanceActivation.All(ActivationRegistry.Default), a => a.Name, options.Activation);
        ConformanceFormat[] formats = Chosen("format", ConformanceFormat.All, f => f.Name, options.Format);
        ConformanceShape[] shapes = Chosen("shape", ConformanceShape.All, s => s.Name, options.Shape);

        List<ConformanceCell> cells = [];
        int total = backends.Length * activations.Length * formats.Length * shapes.Length, met = 0;
        for (int f = 0; f < formats.Length; f++)
            for (int s = 0; s < shapes.Length; s++)
            {
                ConformanceLayer layer = new(kernels, formats[f], shapes[s], options);
                for (int a = 0; a < activations.Length; a++)
                    for (int b = 0; b < backends.Length; b++)
                    {
                        if ((f + s + a + b) % options.Stride == 0) cells.Add(layer.Run(backends[b], activations[a]));
                        options.Progress?.Invoke(++met, total);
                    }
            }
        return new ConformanceReport(kernels.Description, options.Fault?.Name, cells);
    }

    private static T[] Chosen<T>(string what, IReadOnlyList<T> all, Func<T, string> name, string? wanted)
    {
        if (wanted is null) return [.. all];
        T[] chosen = [.. all.Where(item => name(item) == wanted)];
        return chosen.Length > 0 ? chosen : throw new RequestException($"unknown {what} {MessageText.Quote(wanted)}; known: {string.Join(", ", all.Select(name))}");
    }
}
