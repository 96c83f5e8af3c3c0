using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Lora;
using Lapidary.Models;

namespace Lapidary.Tests.Lora;

/// <summary>
/// Damaged adapters are either served, with logits that are numbers of some kind, or refused by an error of ours that names
/// the file; never a crash, and nothing stays behind.
/// </summary>
public sealed class AdapterFuzzTests(ITestOutputHelper output) : IDisposable
{
    private static readonly string Folder = Goldens.Case("everything");

    private static readonly string?[] Values =
    [
        null, "null", "0", "-1", "1", "4", "5", "16777217", "2147483648", "1e3", "1e999", "1.5", "true", "false", "\"\"", "\"q_proj\"", "\"pissa\"", "[]", "{}", "[0]",
        "[\"q_proj\"]", "{\"q_proj\":4}", "{\"q_proj\":5}", "{\".*\":2}", "{\"(\":1}", "{\"q_proj\":null}", "{\"\":3}", "[[[[]]]]", "\"a\\nb\\u0000\\u2028\"", "\"0.18.0\"",
    ];

    private readonly CpuKernels kernels = new(1);
    private readonly ICheckpoint checkpoint = Checkpoint.Open(Folder);
    private readonly AdapterBuilder builder = new AdapterBuilder(Folder, seed: 1).Linear("layers.0.self_attn.q_proj").Linear("layers.3.router.proj")
        .Stacked("layers.1.experts.gate_up_proj", "experts.base_layer").Stacked("layers.1.experts.down_proj", "experts").Expert(2, 1, "up_proj").Embedding("embed_tokens").Write();

    private int served, refused;

    public void Dispose()
    {
        builder.Dispose();
        checkpoint.Dispose();
        kernels.Dispose();
    }

    [Fact]
    public void Settings_of_any_value()
    {
        using Gemma4 model = AdapterGoldens.Open(Folder, kernels, checkpoint, maxLoras: 1);
        string file = Path.Combine(builder.AdapterFolder, LoraConfig.FileName), original = File.ReadAllText(file);
        JsonNode peft = JsonNode.Parse(File.ReadAllText(Path.Combine(AdapterGoldens.Case("rslora_patterns"), LoraConfig.FileName)))!;
        string[] keys = [.. peft.AsObject().Select(p => p.Key).Append("unknown")];
        foreach (string key in keys)
            foreach (string? value in Values)
            {
                JsonObject config = JsonNode.Parse(original)!.AsObject();
                config.Remove(key);
                if (value is not null && !value.Contains("e999", StringComparison.Ordinal)) config[key] = JsonNode.Parse(value);
                string text = value == "1e999" ? $"{{\"{key}\":1e999," + config.ToJsonString()[1..] : config.ToJsonString();
                File.WriteAllText(file, text);
                Try(model, text);
            }
        Assert.InRange(served, 100, keys.Length * Values.Length);
        Assert.InRange(refused, 100, keys.Length * Values.Length);
        output.WriteLine($"{served} served, {refused} refused");
    }

    [Fact]
    public void Bytes_of_the_configuration()
    {
        using Gemma4 model = AdapterGoldens.Open(Folder, kernels, checkpoint, maxLoras: 1);
        string file = Path.Combine(builder.AdapterFolder, LoraConfig.FileName);
        byte[] original = File.ReadAllBytes(file);
        Random random = new(2);
        for (int round = 0; round < 300; round++)
        {
            File.WriteAllBytes(file, Damaged(original, random, original.Length));
            Try(model, $"round {round}");
        }
        output.WriteLine($"{served} served, {refused} refused");
        Assert.InRange(refused, 100, 299);
    }

    [Fact]
    public void Bytes_of_the_tensor_file()
    {
        using Gemma4 model = AdapterGoldens.Open(Folder, kernels, checkpoint, maxLoras: 1);
        string file = Path.Combine(builder.AdapterFolder, LoraAdapter.FileName);
        byte[] original = File.ReadAllBytes(file);
        int header = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(original);
        Random random = new(3);
        for (int round = 0; round < 400; round++)
        {
            File.WriteAllBytes(file, Damaged(original, random, round % 2 == 0 ? header : original.Length));
            Try(model, $"round {round}");
        }
        output.WriteLine($"{served} served, {refused} refused");
        Assert.InRange(served, 20, 399);
        Assert.InRange(refused, 100, 399);
    }

    [Fact]
    public void Names_and_shapes_in_the_header()
    {
        using Gemma4 model = AdapterGoldens.Open(Folder, kernels, checkpoint, maxLoras: 1);
        string file = Path.Combine(builder.AdapterFolder, LoraAdapter.FileName);
        byte[] original = File.ReadAllBytes(file);
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(original);
        string header = Encoding.UTF8.GetString(original, 8, length);
        string[] words = ["lora_A", "lora_B", "layers.0", "layers.1", "layers.3", "experts", "base_layer.", "self_attn", "q_proj", ".weight", "F32", "[4,64]", "[64,4]", "[16,64]", "base_model.", "model.", "0", "up_proj", "lora_embedding_A"];
        string[] others = ["lora_B", "lora_A", "lora_C", "layers.7", "layers.99999999999", "base_layer.base_layer.", "experts.0", "", ".", "F16", "I32", "BF16", "[0,64]", "[64]", "[4,8,8]", "[256]", "[16,16]", "gate_proj", "vision_tower", "\\u0000", "-1"];
        Random random = new(4);
        for (int round = 0; round < 500; round++)
        {
            string changed = header;
            for (int edit = random.Next(1, 4); edit > 0; edit--)
            {
                string word = words[random.Next(words.Length)];
                int at = changed.IndexOf(word, random.Next(changed.Length), StringComparison.Ordinal);
                if (at >= 0) changed = changed[..at] + others[random.Next(others.Length)] + changed[(at + word.Length)..];
            }
            byte[] bytes = Encoding.UTF8.GetBytes(changed);
            byte[] damaged = [.. BitConverter.GetBytes((long)bytes.Length), .. bytes, .. original[(8 + length)..]];
            File.WriteAllBytes(file, damaged);
            Try(model, changed);
        }
        output.WriteLine($"{served} served, {refused} refused");
        Assert.InRange(refused, 250, 499);
    }

    private static byte[] Damaged(byte[] original, Random random, int within)
    {
        byte[] bytes = [.. original];
        switch (random.Next(4))
        {
            case 0: return bytes[..random.Next(within)];
            case 1:
                for (int i = random.Next(1, 5); i > 0; i--) bytes[random.Next(within)] = (byte)random.Next(256);
                return bytes;
            case 2:
                bytes[random.Next(within)] ^= (byte)(1 << random.Next(8));
                return bytes;
            default:
                int at = random.Next(within), count = random.Next(1, 9);
                return [.. bytes[..at], .. bytes[Math.Min(bytes.Length, at + count)..]];
        }
    }

    /// <summary>Any other exception than ours fails the test.</summary>
    private void Try(Gemma4 model, string what)
    {
        try
        {
            LoadedAdapter adapter = model.Adapters.Load(builder.AdapterFolder, "a");
            if (++served % 8 == 0) AdapterGoldens.AllLogits(model, kernels, [2, 5, 9], adapter.Slot);
            model.Adapters.Drop("a");
        }
        catch (LapidaryException refusal)
        {
            Assert.True(refusal.Message.Contains(builder.AdapterFolder, StringComparison.Ordinal), $"{refusal.Message} does not name the file ({what})");
            Assert.DoesNotContain('\n', refusal.Message);
            refused++;
        }
        Assert.Empty(model.Adapters.Loaded);
    }
}
