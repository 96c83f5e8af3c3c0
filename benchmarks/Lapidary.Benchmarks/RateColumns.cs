using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace Lapidary.Benchmarks;

/// <summary>Adds what the median time means in GFLOP/s and in GB/s of weights.</summary>
public sealed class RateColumns : ManualConfig
{
    public RateColumns()
    {
        SummaryStyle = SummaryStyle.Default.WithMaxParameterColumnWidth(60);
        AddColumn(
            StatisticColumn.Median,
            new RateColumn("GFLOP/s", "Multiplications and additions, by the median", product => 2 * product.MultiplyAdds),
            new RateColumn("GB/s", "Weights read once, by the median", product => product.WeightBytes));
    }

    private sealed class RateColumn(string name, string meaning, Func<ProductCase, double> amount) : IColumn
    {
        public string Id => ColumnName;
        public string ColumnName => name;
        public string Legend => meaning;
        public bool AlwaysShow => true;
        public bool IsNumeric => true;
        public ColumnCategory Category => ColumnCategory.Statistics;
        public int PriorityInCategory => 100; // after the times
        public UnitType UnitType => UnitType.Dimensionless;

        public bool IsAvailable(Summary summary) => true;

        public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase) => GetValue(summary, benchmarkCase, summary.Style);

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style)
            => summary[benchmarkCase]?.ResultStatistics is { } times
                ? (amount((ProductCase)benchmarkCase.Parameters[nameof(ProductBenchmarks.Case)]) / times.Median).ToString("0.0", CultureInfo.InvariantCulture) // a thousand million a second is one a nanosecond
                : "";
    }
}
