[assembly: System.Runtime.CompilerServices.InternalsVisibleTo("Lapidary.Tests")]
[assembly: System.Runtime.CompilerServices.InternalsVisibleTo("Lapidary.Benchmarks")]
