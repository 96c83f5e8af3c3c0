using System.Diagnostics;
using System.Text.Json;

namespace Lapidary.Benchmarks;

/// <summary>HuggingFace's Rust tokenizer in a node process, asked for one timing at a time so that both sides take turns.</summary>
internal sealed class HuggingFaceProcess : IDisposable
{
    private readonly string texts = Path.GetTempFileName();
    private readonly Process node;

    public HuggingFaceProcess(string tokenizer, string[][] lists)
    {
        File.WriteAllText(texts, JsonSerializer.Serialize(lists));
        node = Process.Start(new ProcessStartInfo("node", ["benchmark.mjs", tokenizer, texts])
        {
            WorkingDirectory = Checkout.NodeFolder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        }) ?? throw new InvalidOperationException("node did not start");
        LoadSeconds = JsonSerializer.Deserialize<double>(ReadLine());
    }

    public double LoadSeconds { get; }

    /// <summary>Encodes one of the lists on one thread.</summary>
    public (double Seconds, int Tokens) Encode(int list)
    {
        node.StandardInput.WriteLine(list);
        double[] answer = JsonSerializer.Deserialize<double[]>(ReadLine())!;
        return (answer[0], (int)answer[1]);
    }

    public void Dispose()
    {
        node.StandardInput.Close();
        node.WaitForExit();
        node.Dispose();
        File.Delete(texts);
    }

    private string ReadLine() => node.StandardOutput.ReadLine() ?? throw new InvalidOperationException("node stopped; run `npm install --no-package-lock` in tests/tokenizers-node");
}
