using System.Diagnostics;

namespace Lapidary.Cli.Load;

/// <summary>Sends the requests of a plan at their times and collects how they went.</summary>
internal static class LoadRun
{
    /// <param name="progress">Requests ended, of all.</param>
    public static async Task<RequestTiming[]> RunAsync(
        LoadPlan plan, LoadClient client, string model, LoadPrompt[] prompts, Action<int, int> progress, CancellationToken cancel)
    {
        Random random = new(plan.Seed + 1);
        using SemaphoreSlim slots = new(plan.MaxConcurrency ?? int.MaxValue);
        Stopwatch clock = Stopwatch.StartNew();
        int ended = 0;
        List<Task<RequestTiming>> running = new(prompts.Length);
        // Arrivals are planned, so that a late wake-up does not slow the rate.
        IEnumerable<double> arrivals = plan.RequestRate is { } rate ? Arrivals.Of(rate, plan.Burstiness, random) : Enumerable.Repeat(0.0, prompts.Length);
        foreach ((LoadPrompt prompt, double arrival) in prompts.Zip(arrivals))
        {
            await WaitUntil(arrival, clock, cancel);
            await slots.WaitAsync(cancel);
            running.Add(Send(prompt));
        }
        return await Task.WhenAll(running);

        async Task<RequestTiming> Send(LoadPrompt prompt)
        {
            try
            {
                return await client.SendAsync(model, prompt, clock, cancel);
            }
            finally
            {
                slots.Release();
                progress(Interlocked.Increment(ref ended), prompts.Length);
            }
        }
    }

    private static async Task WaitUntil(double seconds, Stopwatch clock, CancellationToken cancel)
    {
        double wait = seconds - clock.Elapsed.TotalSeconds;
        if (wait > 0) await Task.Delay(TimeSpan.FromSeconds(wait), cancel);
    }
}
