using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Lapidary.Tests")]
[assembly: InternalsVisibleTo("Lapidary.Benchmarks")]
