using Lapidary.Models;

namespace Lapidary.Tools;

/// <summary>All formats, and the choice of one for a model.</summary>
public static class OutputFormats
{
    /// <summary>In the order in which they are tried on a model; the last one fits all.</summary>
    public static IReadOnlyList<OutputFormat> All { get; } =
        [new Gemma4Format(), new Lfm2Format(), new PythonicFormat(), new HermesFormat(), new LlamaJsonFormat(), new PlainFormat()];

    /// <exception cref="RequestException">There is no such format; the message lists the known ones.</exception>
    public static OutputFormat Named(string name)
        => All.FirstOrDefault(f => f.Name == name)
            ?? throw new RequestException($"unknown output format {MessageText.Quote(name)}; known are {string.Join(", ", All.Select(f => f.Name))}");

    /// <summary>The format that the model's tokenizer and chat template speak of.</summary>
    public static OutputFormat For(LanguageModel model)
    {
        OutputSigns signs = OutputSigns.Of(model);
        return All.First(f => f.Fits(signs));
    }
}
