using System.CommandLine;
using Lapidary.Lora;
using Lapidary.Models;

namespace Lapidary.Cli;

/// <summary>Options for LoRA adapters.</summary>
/// <param name="spareSlots">Room for adapters that are loaded later, unless --max-loras says otherwise.</param>
internal sealed class LoraOptions(int spareSlots)
{
    private readonly Option<string[]> lora = new("--lora") { Description = "A LoRA adapter as PEFT saves it, PATH or PATH=NAME; may be given several times. The first one answers." };
    private readonly Option<int?> maxLoras = new("--max-loras") { Description = "Most adapters loaded at once." };

    public void AddTo(Command command)
    {
        command.Options.Add(lora);
        command.Options.Add(maxLoras);
    }

    /// <summary>Adapters the model is to be opened for.</summary>
    /// <exception cref="RequestException">Fewer than --lora names.</exception>
    public int Slots(ParseResult parsed)
    {
        int given = parsed.GetValue(lora)?.Length ?? 0;
        int slots = parsed.GetValue(maxLoras) ?? Math.Max(given, spareSlots);
        if (slots is < 0 or > 1024) throw new RequestException($"--max-loras is {slots}, expected 0 to 1024");
        if (slots < given) throw new RequestException($"--max-loras is {slots}, and --lora names {given} adapters");
        return slots;
    }

    /// <summary>Loads what --lora names.</summary>
    /// <returns>The adapter that answers; null for the model itself.</returns>
    /// <exception cref="LapidaryException">One cannot be served; the message says why.</exception>
    public string? Load(ParseResult parsed, LoraAdapters adapters)
    {
        string? first = null;
        foreach (string text in parsed.GetValue(lora) ?? [])
        {
            (string folder, string name) = Split(text);
            adapters.Load(folder, name);
            first ??= name;
        }
        return first;
    }

    /// <summary>PATH=NAME, or PATH whose last part is the name. A path that exists as it is may contain "=".</summary>
    public static (string Folder, string Name) Split(string text)
    {
        int at = text.LastIndexOf('=');
        return at < 0 || Directory.Exists(text)
            ? (text, Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(text))))
            : (text[..at], text[(at + 1)..]);
    }
}
