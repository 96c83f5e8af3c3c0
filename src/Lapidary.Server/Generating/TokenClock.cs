using System.Diagnostics;
using Lapidary.Scheduling;
using Lapidary.Server.Metrics;

namespace Lapidary.Server.Generating;

/// <summary>Times the tokens of one prompt's choices as the client sees them.</summary>
internal sealed class TokenClock
{
    private readonly ServerMetrics metrics;
    private readonly long arrived;
    private readonly long[] last; // by choice; 0 before its first token
    private bool begun;
    private int open, mostTokens;

    public TokenClock(ServerMetrics metrics, InferenceRequest request, long arrived)
    {
        this.metrics = metrics;
        this.arrived = arrived;
        last = new long[request.Sampling.N];
        open = last.Length;
        metrics.Started(request);
    }

    public void Read(TokenEvent token)
    {
        long now = Stopwatch.GetTimestamp();
        if (token.TokenId != TokenEvent.NoToken)
        {
            if (!begun) metrics.FirstToken(Stopwatch.GetElapsedTime(arrived, now));
            else if (last[token.Choice] != 0) metrics.NextToken(Stopwatch.GetElapsedTime(last[token.Choice], now));
            begun = true;
            last[token.Choice] = now;
        }
        if (token.Completion is not { } completion) return;
        metrics.Finished(completion);
        mostTokens = Math.Max(mostTokens, completion.Usage.CompletionTokens);
        if (--open == 0) metrics.RequestFinished(mostTokens);
    }
}
