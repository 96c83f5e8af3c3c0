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

/// <summary>What a backend answers to one cell.</summary>
/// <param name="HiddenStates">What it rounds them to.</param>
/// <param name="Bound">Of its error against float64 that rounds them alike.</param>
/// <param name="UnroundedBound">Of its error against float64 that rounds nothing.</param>
/// <param name="Refusal">Why not; null when it serves it.</param>
public sealed record CellAnswer(
    string Backend, string Activation, string Format, string Shape, string HiddenStates, double Bound, double UnroundedBound, string? Refusal)
{
    internal static CellAnswer Of(IExpertBackend backend, ConformanceActivation activation, ConformanceFormat format, ConformanceShape shape)
    {
        HiddenPrecision precision = backend.HiddenStates(format.Weights);
        CellBounds bounds = CellBounds.Of(precision);
        return new(backend.Name, activation.Name, format.Name, shape.Name, precision.ToString(), bounds.Wide, bounds.Unrounded, backend.Supports(shape.Spec(activation, format)).Reason);
    }

    internal static CellAnswer Of(ConformanceCell cell) => new(
        cell.Backend, cell.Activation, cell.Format, cell.Shape, cell.HiddenStates, cell.Bound, cell.UnroundedBound,
        cell.Outcome == CellOutcome.Refused ? cell.Reason : null);
}

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
           select CellAnswer.Of(backend, activation, format, shape),
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
