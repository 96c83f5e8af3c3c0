namespace Lapidary.Conformance;

/// <summary>How far outputs are from float64.</summary>
/// <param name="Wide">Relative RMS error over tokens with wide gates.</param> <param name="Tail">Over tokens in the tail.</param>
/// <param name="MaxAbs">Largest difference.</param> <param name="Largest">Largest magnitude expected.</param>
internal readonly record struct CellErrors(double Wide, double Tail, double MaxAbs, double Largest)
{
    /// <param name="outputs">[call][t, h]</param> <param name="expected">[call][t, h]</param>
    public static CellErrors Of(float[][] outputs, double[][] expected, int hidden)
    {
        ErrorSum wide = new(), tail = new();
        for (int call = 0; call < outputs.Length; call++)
            for (int i = 0; i < outputs[call].Length; i++)
                (ConformanceCall.IsTail(call, i / hidden) ? tail : wide).Add(expected[call][i], outputs[call][i]);
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
