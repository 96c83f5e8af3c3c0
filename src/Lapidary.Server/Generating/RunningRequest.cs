using System.Diagnostics;
using Lapidary.Scheduling;
using Lapidary.Server.Errors;
using Lapidary.Server.Metrics;
using Lapidary.Server.Operations;

namespace Lapidary.Server.Generating;

/// <summary>A token of one of a request's prompts.</summary>
internal readonly record struct GeneratedToken(int Prompt, TokenEvent Event);

/// <summary>
/// What a request has the engine generate: one or several prompts, each in n ways. Disposing cancels what still runs, so a
/// client that leaves, in the queue or in the middle, costs no further step.
/// </summary>
internal sealed class RunningRequest : IDisposable
{
    private readonly RequestHandle[] handles;
    private readonly CancellationToken cutOff;
    private readonly CancellationTokenSource ended;
    private readonly CancellationTokenRegistration abandoning;
    private readonly Task<bool>?[] waits;
    private readonly TokenClock[] clocks;
    private readonly Activity? span;
    private int next;

    private RunningRequest(RequestHandle[] handles, TokenClock[] clocks, Activity? span, CancellationToken aborted, CancellationToken cutOff)
    {
        this.handles = handles;
        this.clocks = clocks;
        this.span = span;
        this.cutOff = cutOff;
        ended = CancellationTokenSource.CreateLinkedTokenSource(aborted, cutOff);
        waits = new Task<bool>?[handles.Length];
        // Once for all tokens: a wait that can itself be cancelled would be registered for each.
        abandoning = ended.Token.UnsafeRegister(_ => Array.ForEach(handles, handle => handle.Abandon()), null);
    }

    public IReadOnlyList<RequestHandle> Handles => handles;

    /// <exception cref="LapidaryException">The engine refuses a prompt; then none of them runs.</exception>
    public static RunningRequest Start(HttpContext context, ApiServices api, ServedModel model, IReadOnlyList<InferenceRequest> requests)
    {
        List<RequestHandle> handles = [];
        Activity? span = Telemetry.Generation(model.Names[0], requests[0]);
        try
        {
            foreach (InferenceRequest request in requests)
                handles.Add(model.Engine.Submit(request with { Timeout = api.Options.RequestTimeout, QueueTimeout = api.Options.QueueTimeout }));
        }
        catch
        {
            foreach (RequestHandle handle in handles) handle.Cancel();
            span?.Dispose();
            throw;
        }
        long arrived = Arrival.Of(context);
        return new RunningRequest([.. handles], [.. requests.Select(request => new TokenClock(api.Metrics, request, arrived))], span, context.RequestAborted, api.Admission.CutOff);
    }

    /// <summary>Waits until <see cref="TryRead"/> has something; false at the end.</summary>
    /// <exception cref="ApiException">The server stops.</exception>
    public async ValueTask<bool> WaitAsync()
    {
        try
        {
            return handles.Length == 1 ? await handles[0].Events.WaitToReadAsync() : await WaitForAny();
        }
        catch (OperationCanceledException) when (cutOff.IsCancellationRequested)
        {
            throw ApiException.Unavailable("shutting_down", "The server shut down before the answer was complete.", TimeSpan.FromSeconds(5));
        }
    }

    /// <summary>The next token that is there, of any prompt.</summary>
    public bool TryRead(out GeneratedToken token)
    {
        for (int tried = 0; tried < handles.Length; tried++)
        {
            int prompt = next;
            next = (next + 1) % handles.Length;
            if (!handles[prompt].Events.TryRead(out TokenEvent read)) continue;
            clocks[prompt].Read(read);
            if (span is not null && read.Completion is { } completion) Telemetry.Finish(span, completion);
            token = new GeneratedToken(prompt, read);
            return true;
        }
        token = default;
        return false;
    }

    public void Dispose()
    {
        foreach (RequestHandle handle in handles) handle.Cancel();
        span?.Dispose();
        abandoning.Dispose();
        ended.Dispose();
    }

    /// <summary>A wait that has said false is kept: that prompt is done.</summary>
    private async Task<bool> WaitForAny()
    {
        while (true)
        {
            for (int i = 0; i < handles.Length; i++)
                if (waits[i] is null or { IsCompletedSuccessfully: true, Result: true }) waits[i] = handles[i].Events.WaitToReadAsync().AsTask();
            Task<bool>[] open = [.. waits.Where(wait => wait is not { IsCompletedSuccessfully: true, Result: false })!];
            if (open.Length == 0) return false;
            if (await await Task.WhenAny(open)) return true;
        }
    }
}
