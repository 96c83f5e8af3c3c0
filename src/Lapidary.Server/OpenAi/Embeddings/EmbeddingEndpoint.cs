using System.Buffers.Binary;
using System.Text.Json;
using Lapidary.Scheduling;
using Lapidary.Server.Generating;
using Lapidary.Server.OpenAi.Completions;
using Lapidary.Server.Operations;
using Lapidary.Server.Requests;
using Lapidary.Tokenizers;

namespace Lapidary.Server.OpenAi.Embeddings;

/// <summary>
/// POST /v1/embeddings: the mean of the last hidden states over the text's tokens, scaled to length 1. The model was trained
/// to write, not to embed; the OpenAPI document says so.
/// </summary>
internal sealed class EmbeddingEndpoint(ApiServices api)
{
    public async Task Handle(HttpContext context)
    {
        ServedModel model = api.Slot.Model;
        using JsonDocument json = await JsonBody.ReadAsync(context);
        Fields body = new(json.RootElement);
        string name = model.Resolve(body.Text("model"));
        bool base64 = body.Word("encoding_format", "float", "base64") == "base64";
        int? dimensions = body.Integer("dimensions", 1, model.Model.Config.HiddenSize);
        _ = body.Text("user");
        int priority = body.Integer("priority") ?? 0;
        bool special = body.Flag("add_special_tokens") ?? true;
        JsonElement input = body.Take("input") ?? throw body.Missing("input", Prompts.Expected);
        foreach (string other in (string[])["truncate_prompt_tokens", "truncation_side"]) body.Refuse(other, "an input that is too long is refused, never cut");
        foreach (string other in (string[])["embed_dtype", "endianness", "normalize", "use_activation"]) body.Refuse(other, "vectors have length 1, and their numbers are float32 (in base64 little-endian)");
        body.Refuse("messages", "only texts and token ids are embedded; send them as input");
        body.Done();
        using Admission.Entry entry = api.Admission.Enter();
        List<PromptText> prompts = await api.Preparation.RunAsync(json, () => Prompts.Read(input, "input", model, n: 1, special ? SpecialTokens.Add : SpecialTokens.Omit), context.RequestAborted);
        foreach (PromptText prompt in prompts) prompt.RequireFits(model.ContextLength, "input", maxTokens: null);
        string id = RequestId.Of(context);
        using RunningRequest running = RunningRequest.Start(context, api, model, [.. prompts.Select(prompt => new InferenceRequest
        {
            Id = id,
            PromptIds = prompt.Ids,
            Sampling = model.Defaults with { MaxTokens = 1 },
            Embed = true,
            Adapter = model.AdapterOf(name),
            Priority = priority,
        })], "input");
        while (await running.WaitAsync())
            while (running.TryRead(out GeneratedToken token)) FinishReasons.ThrowIfFailed(token.Event.Completion);
        int tokens = prompts.Sum(prompt => prompt.Ids.Length);
        EmbeddingList list = new([.. running.Handles.Select((handle, index) => new EmbeddingItem(index, Written(Shortened(handle.Embedding!, dimensions), base64)))], name, new EmbeddingUsage(tokens, tokens));
        await context.Response.WriteJsonAsync(list, ServerJson.Default.EmbeddingList);
    }

    /// <summary>The first numbers, scaled to length 1 again, as OpenAI does.</summary>
    private static float[] Shortened(IReadOnlyList<float> vector, int? dimensions)
    {
        if (dimensions is not { } count || count == vector.Count) return [.. vector];
        double norm = Math.Sqrt(vector.Take(count).Sum(value => (double)value * value));
        return [.. vector.Take(count).Select(value => norm > 0 ? (float)(value / norm) : 0)];
    }

    /// <summary>Numbers, or their bytes (float32, little-endian) in base64.</summary>
    private static object Written(float[] vector, bool base64)
    {
        if (!base64) return vector;
        byte[] bytes = new byte[vector.Length * sizeof(float)];
        for (int i = 0; i < vector.Length; i++) BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), vector[i]);
        return Convert.ToBase64String(bytes);
    }
}

internal sealed record EmbeddingList(IReadOnlyList<EmbeddingItem> Data, string Model, EmbeddingUsage Usage)
{
    public string Object { get; } = "list";
}

/// <param name="Embedding">Numbers or text.</param>
internal sealed record EmbeddingItem(int Index, object Embedding)
{
    public string Object { get; } = "embedding";
}

internal sealed record EmbeddingUsage(int PromptTokens, int TotalTokens);
