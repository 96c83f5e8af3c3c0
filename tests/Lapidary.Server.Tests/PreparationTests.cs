using System.Text.Json;
using Lapidary.Server.Operations;

namespace Lapidary.Server.Tests;

/// <summary>Requests that take long to read do not take all threads, and large ones do not hold up small ones.</summary>
public sealed class PreparationTests
{
    private static readonly string Padding = new(' ', Preparation.Large);

    public static TheoryData<string, string> Posts => new()
    {
        { "/v1/chat/completions", """{"messages":[{"role":"user","content":"a"}],"max_tokens":1}""" },
        { "/v1/completions", """{"prompt":"a","max_tokens":1}""" },
        { "/v1/responses", """{"input":"a","max_output_tokens":1}""" },
        { "/v1/messages", """{"model":"gemma4-tiny","messages":[{"role":"user","content":"a"}],"max_tokens":1}""" },
        { "/v1/messages/count_tokens", """{"model":"gemma4-tiny","messages":[{"role":"user","content":"a"}]}""" },
        { "/v1/embeddings", """{"input":"a"}""" },
        { "/tokenize", """{"prompt":"a"}""" },
        { "/detokenize", """{"tokens":[5]}""" },
    };

    /// <summary>Takes every place of one size; they are free again when <paramref name="end"/> is set.</summary>
    private static async Task<Task[]> Fill(Preparation preparation, JsonDocument body, int places, ManualResetEventSlim end)
    {
        using CountdownEvent inside = new(places);
        Task[] holders = [.. Enumerable.Range(0, places).Select(_ => Task.Factory.StartNew(() => preparation.RunAsync(body, () =>
        {
            inside.Signal();
            end.Wait();
            return 0;
        }, CancellationToken.None), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap())];
        await Task.Run(inside.Wait);
        return holders;
    }

    [Theory, MemberData(nameof(Posts))]
    public async Task A_request_waits_its_turn_while_others_go_on(string path, string body)
    {
        await using Server server = new();
        await server.InitializeAsync();
        using ManualResetEventSlim end = new();
        using JsonDocument other = JsonDocument.Parse("{}");
        Task[] holders = await Fill(server.Http.Preparation, other, Preparation.SmallAtOnce, end);
        Task<Answer> waits = server.Client.Post(path, body);
        Answer large = await server.Client.Post(path, $"{body[..^1]}{Padding}}}");
        Assert.True(large.Status == 200, large.Body);
        Assert.Equal(200, (await server.Client.Get("/health")).Status);
        Assert.False(waits.IsCompleted);
        end.Set();
        Assert.Equal(200, (await waits).Status);
        await Task.WhenAll(holders);
    }

    [Fact]
    public async Task Large_bodies_wait_for_each_other_only()
    {
        using Preparation preparation = new();
        using ManualResetEventSlim end = new();
        using JsonDocument small = JsonDocument.Parse("{}"), large = JsonDocument.Parse($"{{{Padding}}}");
        Task[] holders = await Fill(preparation, large, Preparation.LargeAtOnce, end);
        using CancellationTokenSource leave = new();
        Task<int> waits = preparation.RunAsync(large, () => 1, leave.Token);
        Assert.Equal(2, await preparation.RunAsync(small, () => 2, CancellationToken.None));
        Assert.False(waits.IsCompleted);
        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waits);
        end.Set();
        await Task.WhenAll(holders);
        await Assert.ThrowsAsync<ArithmeticException>(() => preparation.RunAsync<int>(large, () => throw new ArithmeticException(), CancellationToken.None)); // gives its place back
        Assert.Equal(3, await preparation.RunAsync(large, () => 3, CancellationToken.None));
    }
}
