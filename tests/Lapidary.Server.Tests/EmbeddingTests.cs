using System.Text.Json;
using System.Text.Json.Nodes;
using Lapidary.Checkpoints;
using Lapidary.Scheduling;

namespace Lapidary.Server.Tests;

/// <summary>/v1/embeddings: pooled hidden states.</summary>
public sealed class EmbeddingTests(Server server)
{
    private const string Path = "/v1/embeddings";

    private static async Task<float[][]> Embed(Server server, string body)
    {
        Answer answer = await server.Client.Post(Path, body);
        Assert.True(answer.Status == 200, answer.Body);
        return [.. answer.Json["data"]!.AsArray().Select(item => item!["embedding"]!.Deserialize<float[]>()!)];
    }

    private static double Dot(float[] a, float[] b) => a.Zip(b, (x, y) => (double)x * y).Sum();

    [Fact]
    public async Task A_text_becomes_a_vector_of_length_1_that_depends_on_the_text_only()
    {
        float[] cat = (await Embed(server, """{"input":"A cat named Tom."}"""))[0];
        Assert.Equal(256, cat.Length);
        Assert.Equal(1, Dot(cat, cat), 5);
        float[][] three = await Embed(server, """{"input":["A cat named Tom.","What is 7 + 8?","A cat named Tim."]}""");
        Assert.Equal(cat, three[0]);
        Assert.True(Dot(cat, three[2]) > Dot(cat, three[1]), "a text about another cat is nearer than a sum");
        Assert.True(Dot(cat, three[1]) < 0.999);
    }

    /// <summary>HuggingFace's hidden states after the final norm, averaged here.</summary>
    [Fact]
    public async Task It_is_the_mean_of_the_hidden_states_that_HuggingFace_computes()
    {
        using SafetensorsFile golden = SafetensorsFile.Open(System.IO.Path.Combine(Repository.Root, "models/gemma4-tiny/golden.safetensors"));
        int[] ids = golden.Find("story_cat.prompt_ids")!.ToInt32s();
        float[] hidden = golden.Find("story_cat.hidden.8")!.ToSingles(), vector = (await Embed(server, $$"""{"input":[{{string.Join(',', ids)}}]}"""))[0];
        double[] mean = [.. Enumerable.Range(0, 256).Select(i => Enumerable.Range(0, ids.Length).Average(t => hidden[t * 256 + i]))];
        double norm = Math.Sqrt(mean.Sum(x => x * x));
        for (int i = 0; i < mean.Length; i++) Assert.Equal(mean[i] / norm, vector[i], 4);
        Assert.NotEqual(hidden[0] / norm, vector[0], 2); // the first token alone is another vector
    }

    [Fact]
    public async Task It_is_the_mean_however_the_prompt_is_cut_into_steps()
    {
        await using Server small = new(options => options, new EngineOptions { MaxNumSeqs = 2, MaxNumBatchedTokens = 5 });
        await small.InitializeAsync();
        string body = $$"""{"input":"{{string.Concat(Enumerable.Repeat("One day Tom the cat went out. ", 12))}}"}""";
        float[] whole = (await Embed(server, body))[0], cut = (await Embed(small, body))[0];
        Assert.Equal(1, Dot(whole, cut), 5);
        Assert.Equal(0, small.Statistics.Running);
    }

    [Fact]
    public async Task Bytes_are_the_numbers_and_fewer_dimensions_the_first_ones()
    {
        float[] whole = (await Embed(server, """{"input":[2,300,301]}"""))[0], first = (await Embed(server, """{"input":[2,300,301],"dimensions":16}"""))[0];
        Answer text = await server.Client.Post(Path, """{"input":[2,300,301],"encoding_format":"base64"}""");
        byte[] bytes = Convert.FromBase64String(text.Json["data"]![0]!["embedding"]!.GetValue<string>());
        Assert.Equal(whole, Enumerable.Range(0, bytes.Length / 4).Select(i => BitConverter.ToSingle(bytes, 4 * i)));
        Assert.Equal((3, 3), (text.Json["usage"]!["prompt_tokens"]!.GetValue<int>(), text.Json["usage"]!["total_tokens"]!.GetValue<int>()));
        Assert.Equal(1, Dot(first, first), 5);
        Assert.Equal(first[0] / first[1], whole[0] / whole[1], 3);
    }

    [Fact]
    public async Task Special_tokens_can_be_left_out()
    {
        JsonNode with = (await server.Client.Post(Path, """{"input":"Once upon"}""")).Json, without = (await server.Client.Post(Path, """{"input":"Once upon","add_special_tokens":false}""")).Json;
        Assert.Equal((3, 2), (with["usage"]!["prompt_tokens"]!.GetValue<int>(), without["usage"]!["prompt_tokens"]!.GetValue<int>()));
    }

    [Theory]
    [InlineData("""{}""", "input"), InlineData("""{"input":""}""", "input"), InlineData("""{"input":[]}""", "input"), InlineData("""{"input":[""]}""", "input[0]"), InlineData("""{"input":[99999]}""", "input")]
    [InlineData("""{"input":"a","encoding_format":"int8"}""", "encoding_format"), InlineData("""{"input":"a","dimensions":0}""", "dimensions"), InlineData("""{"input":"a","dimensions":257}""", "dimensions"), InlineData("""{"input":"a","foo":1}""", "foo")]
    [InlineData("""{"input":"a","truncate_prompt_tokens":5}""", "truncate_prompt_tokens"), InlineData("""{"input":"a","normalize":false}""", "normalize"), InlineData("""{"messages":[]}""", "input")]
    public async Task A_bad_request_is_refused_and_its_fault_named(string body, string param) => (await server.Client.Post(Path, body)).AssertError(400, param);
}
