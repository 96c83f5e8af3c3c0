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
    private Timer? silence;
    private volatile bool wasRead;
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

    /// <summary>Whether the last wait ended only because nothing has come for so long; see <see cref="EndWaitsAfter"/>.</summary>
    public bool IsSilent { get; private set; }

    /// <summary>Lets a wait end without a token, too, once or twice that time after the last one, so that a stream can give a sign of life.</summary>
    public void EndWaitsAfter(TimeSpan time)
        => silence = new Timer(_ =>
        {
            if (!wasRead) Array.Exists(handles, handle => handle.Nudge());
            wasRead = false;
        }, null, time, time);

    /// <param name="param">Of the prompts, or of the ways.</param>
    /// <exception cref="LapidaryException">The engine refuses a prompt; then none of them runs.</exception>
    public static RunningRequest Start(HttpContext context, ApiServices api, ServedModel model, IReadOnlyList<InferenceRequest> requests, string param)
    {
        RequireRoom(requests, model.Engine.MaxChoices, param);
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

    /// <summary>Refuses what would be too much for the engine at any time: trying again later would not help.</summary>
    private static void RequireRoom(IReadOnlyList<InferenceRequest> requests, long most, string param)
    {
        long choices = requests.Sum(request => (long)request.Sampling.N);
        if (choices > most)
            throw ApiException.Invalid(param, $"{param} asks for {choices} texts at once, and this server never holds more than {most} (--max-num-seqs and --max-queue together); send them in several requests");
    }

    /// <summary>Waits until <see cref="TryRead"/> has something; false at the end.</summary>
    /// <exception cref="ApiException">The server stops.</exception>
    public async ValueTask<bool> WaitAsync()
    {
        IsSilent = false;
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
            bool found;
            TokenEvent read;
            while ((found = handles[prompt].Events.TryRead(out read)) && read.IsNothing) IsSilent = true;
            if (!found) continue;
            IsSilent = false;
            wasRead = true;
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
        silence?.Dispose();
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
