using Lapidary.Server.Local;

namespace Lapidary.Cli.Batch;

/// <summary>How a batch went.</summary>
/// <param name="Resumed">Requests that an earlier run had answered.</param>
internal sealed record BatchCounts(int Resumed, int Succeeded, int Failed);

/// <summary>Answers the requests of a file.</summary>
internal static class BatchRun
{
    /// <summary>Checks that no two lines share an id, and counts them.</summary>
    /// <exception cref="RequestException">Two lines do, or the file cannot be read.</exception>
    public static int Count(string path)
    {
        Dictionary<string, int> lines = new(StringComparer.Ordinal);
        int number = 0, requests = 0;
        foreach (string line in Lines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line)) continue;
            requests++;
            if (BatchRequest.Parse(line).CustomId is { } id && !lines.TryAdd(id, number))
                throw new RequestException($"{path}: lines {lines[id]} and {number} have the same custom_id, {MessageText.Quote(id)}; results could not be told apart");
        }
        return requests;
    }

    /// <param name="atATime">Most requests that are being answered.</param>
    /// <param name="progress">Requests done, earlier runs included, of all.</param>
    public static async Task<BatchCounts> RunAsync(
        string input, int total, BatchOutput output, LocalApi api, int atATime, Action<int, int> progress, CancellationToken cancel)
    {
        int resumed = 0, succeeded = 0, failed = 0;
        using SemaphoreSlim slots = new(atATime);
        List<Task> running = [];
        try
        {
            await SendAll();
        }
        finally
        {
            await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // none may write after the file is closed
        }
        await Task.WhenAll(running);
        return new BatchCounts(resumed, succeeded, failed);

        async Task SendAll()
        {
            foreach (string line in Lines(input))
            {
                if (string.IsNullOrWhiteSpace(line)) continue;
                BatchRequest request = BatchRequest.Parse(line);
                if (request.CustomId is { } id && output.Done.Contains(id))
                {
                    resumed++;
                    continue;
                }
                if (request.Fault is { } fault)
                {
                    output.WriteFault(request.CustomId, fault);
                    Interlocked.Increment(ref failed);
                    continue;
                }
                await slots.WaitAsync(cancel);
                running.RemoveAll(task => task.IsCompletedSuccessfully);
                if (running.Find(task => task.IsFaulted) is { } broken) await broken;
                running.Add(Answer(request));
            }
        }

        async Task Answer(BatchRequest request)
        {
            try
            {
                LocalAnswer answer = await Task.Run(() => api.PostAsync(request.Url, request.Body, cancel), cancel);
                output.Write(request.CustomId!, answer);
                if (answer.Status < 300) Interlocked.Increment(ref succeeded);
                else Interlocked.Increment(ref failed);
                progress(resumed + succeeded + failed, total);
            }
            finally
            {
                slots.Release();
            }
        }
    }

    private static IEnumerable<string> Lines(string path)
    {
        try
        {
            return File.ReadLines(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new RequestException($"{path} cannot be read: {exception.Message}", exception);
        }
    }
}
