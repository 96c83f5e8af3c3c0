using Lapidary.Experts;

namespace Lapidary.Conformance;

/// <summary>How far outputs are from float64.</summary>
/// <param name="Wide">Relative RMS error over tokens with wide gates.</param> <param name="Tail">Over tokens in the tail.</param>
/// <param name="MaxAbs">Largest difference.</param> <param name="Largest">Largest magnitude expected.</param>
internal readonly record struct CellErrors(double Wide, double Tail, double MaxAbs, double Largest);

/// <summary>All cells of one format and shape: weights, inputs and float64 products are made when the first cell needs them.</summary>
internal sealed class ConformanceLayer(IKernels kernels, ConformanceFormat format, ConformanceShape shape, ConformanceOptions options)
{
    private ConformanceData? data;
    private ReferenceExperts64? reference;
    private readonly Dictionary<string, (ReferenceFormula Formula, double[][] Outputs)> expected = [];

    private ConformanceData Data => data ??= new ConformanceData(format, shape);

    public ConformanceCell Run(IExpertBackend backend, ConformanceActivation activation)
    {
        CellBounds bounds = CellBounds.Of(backend.HiddenStates);
        Activation? given = options.Fault is null ? activation.Activation : options.Fault.Apply(activation);
        if (given is null || (given != activation.Activation && activation.Form == ActivationForm.NonGated && !given.Info.HasNonGated))
            return Cell(CellOutcome.Inapplicable, null, "", null);

        ExpertLayerSpec spec = shape.Spec(activation, format) with { Activation = given };
        if (backend.Supports(spec) is { Supported: false } no) return Cell(CellOutcome.Refused, null, "", no.Reason);
        ExpertWeights? weights = options.Fault is null ? Data.Weights(activation.Form) : options.Fault.Apply(Data, activation.Form);
        if (weights is null) return Cell(CellOutcome.Inapplicable, null, "", null);

        (ReferenceFormula formula, double[][] outputs) = Expected(activation);
        try
        {
            CellErrors errors = Compare(backend, spec, weights, outputs);
            bool holds = bounds.Hold(errors);
            return Cell(holds ? CellOutcome.Passed : CellOutcome.Failed, errors, formula.Source, holds ? null : "error out of bounds");
        }
        catch (Exception exception) when (exception is LapidaryException or InvalidOperationException)
        {
            return Cell(CellOutcome.Failed, null, formula.Source, exception.Message);
        }

        ConformanceCell Cell(CellOutcome outcome, CellErrors? errors, string source, string? reason) => new(
            backend.Name, activation.Name, format.Name, shape.Name, outcome, Finite(errors?.Wide), Finite(errors?.Tail), Finite(errors?.MaxAbs),
            bounds.Wide, source, reason);
    }

    /// <summary>JSON has no infinities.</summary>
    private static double? Finite(double? value) => value is { } v && !double.IsFinite(v) ? double.MaxValue : value;

    private (ReferenceFormula Formula, double[][] Outputs) Expected(ConformanceActivation activation)
    {
        if (expected.TryGetValue(activation.Name, out (ReferenceFormula, double[][]) known)) return known;
        string name = activation.Activation.Name;
        ReferenceFormula formula = options.Formulas.GetValueOrDefault(name)
            ?? ReferenceFormulas.Find(name, activation.Parameters)
            ?? ReferenceFormulas.OwnDefinition(activation.Activation);
        reference ??= new ReferenceExperts64(Data);
        return expected[activation.Name] = (formula, reference.Run(formula, activation.Form));
    }

    private CellErrors Compare(IExpertBackend backend, ExpertLayerSpec spec, ExpertWeights weights, double[][] outputs)
    {
        int most = shape.MostTokens;
        using IExpertLayer layer = backend.Create(spec, weights, most);
        using IBuffer x = kernels.Allocate(DType.F32, most, shape.Hidden), ids = kernels.Allocate(DType.I32, most, shape.TopK);
        using IBuffer factors = kernels.Allocate(DType.F32, most, shape.TopK), output = kernels.Allocate(DType.F32, most, shape.Hidden);
        ErrorSum wide = new(), tail = new();
        for (int index = 0; index < Data.Calls.Length; index++)
        {
            ConformanceCall call = Data.Calls[index];
            kernels.Write(x, call.X);
            kernels.Write(ids, call.Ids);
            kernels.Write(factors, options.Fault?.Apply(call.Factors) ?? call.Factors);
            output.Rows = call.Tokens;
            layer.Forward(x, ids, factors, adapters: null, output);
            var actual = new float[call.Tokens * shape.Hidden];
            kernels.Read(output, actual);
            for (int i = 0; i < actual.Length; i++)
                (ConformanceCall.IsTail(index, i / shape.Hidden) ? tail : wide).Add(outputs[index][i], actual[i]);
        }
        return new CellErrors(wide.Relative, tail.Relative, Math.Max(wide.MaxAbs, tail.MaxAbs), Math.Max(wide.Largest, tail.Largest));
    }

    private sealed class ErrorSum
    {
        private double squares, expectedSquares;

        public double MaxAbs { get; private set; }
        public double Largest { get; private set; }

        /// <summary>Where 0 is expected, 0 is right and everything else infinitely wrong.</summary>
        public double Relative => squares == 0 ? 0 : Math.Sqrt(squares / expectedSquares);

        public void Add(double expected, float actual)
        {
            double difference = double.IsFinite(actual) ? Math.Abs(expected - actual) : double.PositiveInfinity;
            squares += difference * difference;
            expectedSquares += expected * expected;
            MaxAbs = Math.Max(MaxAbs, difference);
            Largest = Math.Max(Largest, Math.Abs(expected));
        }
    }
}
