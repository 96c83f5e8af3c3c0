using System.Diagnostics;
using System.Globalization;

namespace Lapidary.Cli;

/// <summary>A bar on standard error for work that takes over a second; nothing where no person looks.</summary>
/// <param name="verb">What goes on, e.g. "loading".</param> <param name="unit">What is counted, e.g. "layer".</param>
internal sealed class ProgressBar(string verb, string unit)
{
    private const int Width = 30;
    private const int MillisecondsBetween = 50;
    private readonly Stopwatch watch = Stopwatch.StartNew();
    private long next = 1000;
    private int shown;

    public void Update(int done, int total)
    {
        if (watch.ElapsedMilliseconds < next || Console.IsErrorRedirected) return;
        next = watch.ElapsedMilliseconds + MillisecondsBetween;
        int filled = (int)((long)Width * done / total);
        string line = string.Create(CultureInfo.InvariantCulture,
            $"{verb} [{new string('#', filled)}{new string('.', Width - filled)}] {unit} {done} of {total}, {watch.Elapsed.TotalSeconds:0} s");
        shown = Math.Max(shown, line.Length);
        Console.Error.Write($"\r{line}");
    }

    public void Clear()
    {
        if (shown > 0) Console.Error.Write($"\r{new string(' ', shown)}\r");
    }
}
