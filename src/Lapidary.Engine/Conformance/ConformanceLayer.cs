using Lapidary.Experts;

namespace Lapidary.Conformance;

/// <summary>All cells of one format and shape: weights, inputs and float64 products are made when the first cell needs them.</summary>
internal sealed class ConformanceLayer(IKernels kernels, ConformanceFormat format, ConformanceShape shape, ConformanceOptions options)
{
    private ConformanceData? data;
    private readonly Dictionary<HiddenPrecision, ReferenceExperts64> references = [];
    private readonly Dictionary<(string Activation, HiddenPrecision Precision), double[][]> expected = [];

    private ConformanceData Data => data ??= new ConformanceData(format, shape);

    public ConformanceCell Run(IExpertBackend backend, ConformanceActivation activation)
    {
        HiddenPrecision precision = backend.HiddenStates(format.Weights);
        CellBounds bounds = CellBounds.Of(precision);
        Activation? given = options.Fault is null ? activation.Activation : options.Fault.Apply(activation);
        if (given is null || (given != activation.Activation && activation.Form == ActivationForm.NonGated && !given.Info.HasNonGated))
            return Cell(CellOutcome.Inapplicable, null, "", null);

        ExpertLayerSpec spec = shape.Spec(activation, format) with { Activation = given };
        if (backend.Supports(spec) is { Supported: false } no) return Cell(CellOutcome.Refused, null, "", no.Reason);
        ExpertWeights? weights = options.Fault is null ? Data.Weights(activation.Form) : options.Fault.Apply(Data, activation.Form);
        if (weights is null) return Cell(CellOutcome.Inapplicable, null, "", null);

        ReferenceFormula formula = Formula(activation);
        try
        {
            float[][] outputs = Run(backend, spec, weights);
            CellErrors errors = CellErrors.Of(outputs, Expected(activation, formula, precision), shape.Hidden);
            CellErrors unrounded = CellErrors.Of(outputs, Expected(activation, formula, HiddenPrecision.Unrounded), shape.Hidden);
            bool holds = bounds.Hold(errors), holdsUnrounded = unrounded.Wide <= bounds.Unrounded;
            return Cell(holds && holdsUnrounded ? CellOutcome.Passed : CellOutcome.Failed, (errors, unrounded), formula.Source,
                !holds ? "error out of bounds" : !holdsUnrounded ? "error with rounding out of bounds" : null);
        }
        catch (Exception exception) when (exception is LapidaryException or InvalidOperationException)
        {
            return Cell(CellOutcome.Failed, null, formula.Source, exception.Message);
        }

        ConformanceCell Cell(CellOutcome outcome, (CellErrors Stated, CellErrors Unrounded)? errors, string source, string? reason) => new(
            backend.Name, activation.Name, format.Name, shape.Name, precision.ToString(), outcome, Finite(errors?.Stated.Wide), Finite(errors?.Stated.Tail), Finite(errors?.Stated.MaxAbs),
            bounds.Wide, Finite(errors?.Unrounded.Wide), bounds.Unrounded, source, reason);
    }

    /// <summary>JSON has no infinities.</summary>
    private static double? Finite(double? value) => value is { } v && !double.IsFinite(v) ? double.MaxValue : value;

    private ReferenceFormula Formula(ConformanceActivation activation) => options.Formulas.GetValueOrDefault(activation.Activation.Name)
        ?? ReferenceFormulas.Find(activation.Activation.Name, activation.Parameters)
        ?? ReferenceFormulas.OwnDefinition(activation.Activation);

    private double[][] Expected(ConformanceActivation activation, ReferenceFormula formula, HiddenPrecision precision)
    {
        if (expected.TryGetValue((activation.Name, precision), out double[][]? known)) return known;
        if (!references.TryGetValue(precision, out ReferenceExperts64? reference)) references[precision] = reference = new ReferenceExperts64(Data, precision);
        return expected[(activation.Name, precision)] = reference.Run(formula, activation.Form);
    }

    /// <returns>[call][t, h]</returns>
    private float[][] Run(IExpertBackend backend, ExpertLayerSpec spec, ExpertWeights weights)
    {
        int most = shape.MostTokens;
        using IExpertLayer layer = backend.Create(spec, weights, most);
        using IBuffer x = kernels.Allocate(DType.F32, most, shape.Hidden), ids = kernels.Allocate(DType.I32, most, shape.TopK);
        using IBuffer factors = kernels.Allocate(DType.F32, most, shape.TopK), output = kernels.Allocate(DType.F32, most, shape.Hidden);
        return [.. Data.Calls.Select(call =>
        {
            kernels.Write(x, call.X);
            kernels.Write(ids, call.Ids);
            kernels.Write(factors, options.Fault?.Apply(call.Factors) ?? call.Factors);
            output.Rows = call.Tokens;
            layer.Forward(x, ids, factors, adapters: null, output);
            var actual = new float[call.Tokens * shape.Hidden];
            kernels.Read(output, actual);
            return actual;
        })];
    }
}
