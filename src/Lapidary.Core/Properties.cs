[assembly: System.Runtime.CompilerServices.InternalsVisibleTo("Lapidary.Tests")]
