using BenchmarkDotNet.Running;
using Lapidary.Benchmarks;

if (args is ["tokenizers", ..])
{
    TokenizerComparison.Run(rounds: 9);
    return;
}
BenchmarkSwitcher.FromAssembly(typeof(TokenizerBenchmarks).Assembly).Run(args);
