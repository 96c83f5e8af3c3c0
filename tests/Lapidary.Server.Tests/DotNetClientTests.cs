using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text;
using System.Text.Json.Nodes;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Models;

namespace Lapidary.Server.Tests;

/// <summary>OpenAI's own client for .NET.</summary>
public sealed class DotNetClientTests(Server server, GuardedServer guarded) : IClassFixture<GuardedServer>
{
    private static readonly ChatTool Weather = ChatTool.CreateFunctionTool("get_weather", "Gets the weather of a city.",
        BinaryData.FromString("""{"type":"object","properties":{"city":{"type":"string","description":"The city."}},"required":["city"]}"""));

    private static readonly ChatMessage Story = new UserChatMessage("Write a story about a cat named Tom."), Question = new UserChatMessage("What is the weather in Paris?");

    private static OpenAIClient Client(HttpClient at, string key = "none") => new(new ApiKeyCredential(key), new OpenAIClientOptions
    {
        Endpoint = new Uri(at.BaseAddress!, "v1"),
        RetryPolicy = new ClientRetryPolicy(maxRetries: 0),
    });

    private ChatClient Chat => Client(server.Client).GetChatClient(Server.ModelName);

    [Fact]
    public async Task It_lists_models()
    {
        OpenAIModelCollection models = await Client(server.Client).GetOpenAIModelClient().GetModelsAsync();
        Assert.Equal([Server.ModelName, "alias"], models.Select(model => model.Id));
    }

    [Fact]
    public async Task It_chats_and_streams_the_same_text()
    {
        ChatCompletionOptions options = new() { Temperature = 0, MaxOutputTokenCount = 20, IncludeLogProbabilities = true, TopLogProbabilityCount = 2 };
        ChatCompletion whole = await Chat.CompleteChatAsync([Story], options);
        Assert.Equal(ChatFinishReason.Length, whole.FinishReason);
        Assert.Equal(20, whole.Usage.OutputTokenCount);
        Assert.Equal(20, whole.ContentTokenLogProbabilities.Count);
        StringBuilder text = new();
        ChatTokenUsage? usage = null;
        await foreach (StreamingChatCompletionUpdate update in Chat.CompleteChatStreamingAsync([Story], options))
        {
            foreach (ChatMessageContentPart part in update.ContentUpdate) text.Append(part.Text);
            usage = update.Usage ?? usage;
        }
        Assert.Equal(whole.Content[0].Text, text.ToString());
        Assert.Equal(20, usage!.OutputTokenCount);
    }

    [Fact]
    public async Task It_calls_a_tool_and_answers_with_its_result()
    {
        ChatCompletionOptions options = new() { Temperature = 0, Tools = { Weather }, AllowParallelToolCalls = true };
        ChatCompletion call = await Chat.CompleteChatAsync([Question], options);
        Assert.Equal(ChatFinishReason.ToolCalls, call.FinishReason);
        ChatToolCall made = Assert.Single(call.ToolCalls);
        Assert.Equal("Paris", JsonNode.Parse(made.FunctionArguments.ToString())!["city"]!.GetValue<string>());
        ChatCompletion answer = await Chat.CompleteChatAsync([Question, new AssistantChatMessage(call), new ToolChatMessage(made.Id, """{"weather":"sunny"}""")], options);
        Assert.Contains("sunny", answer.Content[0].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_gathers_a_streamed_tool_call()
    {
        StringBuilder arguments = new();
        string? name = null, id = null;
        await foreach (StreamingChatCompletionUpdate update in Chat.CompleteChatStreamingAsync([Question], new ChatCompletionOptions { Temperature = 0, Tools = { Weather } }))
            foreach (StreamingChatToolCallUpdate part in update.ToolCallUpdates)
            {
                name ??= part.FunctionName;
                id ??= part.ToolCallId;
                arguments.Append(part.FunctionArgumentsUpdate);
            }
        Assert.Equal("get_weather", name);
        Assert.NotNull(id);
        Assert.Equal("Paris", JsonNode.Parse(arguments.ToString())!["city"]!.GetValue<string>());
    }

    [Theory]
    [InlineData(400, 5f, Server.ModelName, "none"), InlineData(404, 1f, "other", "none")]
    public async Task It_sees_errors_with_their_message(int status, float temperature, string model, string key)
    {
        ClientResultException error = await Assert.ThrowsAsync<ClientResultException>(() => Client(server.Client, key).GetChatClient(model).CompleteChatAsync([Story], new ChatCompletionOptions { Temperature = temperature }));
        Assert.Equal(status, error.Status);
        Assert.Contains(status == 400 ? "temperature is 5, expected 0 to 2" : "does not exist", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_is_let_in_with_a_key_only()
    {
        Assert.Equal(401, (await Assert.ThrowsAsync<ClientResultException>(() => Client(guarded.Client, "wrong").GetChatClient(Server.ModelName).CompleteChatAsync([Story]))).Status);
        ChatCompletion answer = await Client(guarded.Client, "first-key").GetChatClient(Server.ModelName).CompleteChatAsync([Story], new ChatCompletionOptions { MaxOutputTokenCount = 2 });
        Assert.NotEmpty(answer.Id);
    }

    [Fact]
    public async Task It_leaves_a_stream_and_the_server_stops_computing()
    {
        using CancellationTokenSource leave = new();
        int seen = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (StreamingChatCompletionUpdate _ in Chat.CompleteChatStreamingAsync([Story], new ChatCompletionOptions { MaxOutputTokenCount = 1900, Temperature = 2 }, leave.Token))
                if (++seen == 3) await leave.CancelAsync();
        });
        Assert.Equal(3, seen);
    }
}
