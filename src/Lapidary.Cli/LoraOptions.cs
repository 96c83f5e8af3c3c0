using System.CommandLine;
using Lapidary.Lora;

namespace Lapidary.Cli;

/// <summary>Options for LoRA adapters.</summary>
internal sealed class LoraOptions
{
    private const int MostSlots = 1024;

    public Option<string[]> Lora { get; } = new("--lora") { Description = "A LoRA adapter as PEFT saves it, PATH or PATH=NAME; may be given several times. Clients name it as their model; run and chat answer with the first." };
    public Option<int?> MaxLoras { get; } = new("--max-loras") { Description = "Most adapters loaded at once." };

    public void AddTo(Command command)
    {
        command.Options.Add(Lora);
        command.Options.Add(MaxLoras);
    }

    /// <summary>Adapters the model is to be opened for. Looks at their configurations, so that what is refused is refused before a large model is loaded.</summary>
    /// <param name="lora">Values of --lora.</param>
    /// <param name="maxLoras">Value of --max-loras.</param>
    /// <param name="spare">At least so many when it is not given.</param>
    /// <exception cref="RequestException">Fewer than --lora names.</exception>
    /// <exception cref="ConfigException">An adapter cannot be served.</exception>
    public static int Slots(string[]? lora, int? maxLoras, int spare)
    {
        foreach (string text in lora ?? []) LoraConfig.Load(Split(text).Folder);
        int given = lora?.Length ?? 0, slots = maxLoras ?? Math.Max(given, spare);
        if (slots is < 0 or > MostSlots) throw new RequestException($"--max-loras is {slots}, expected 0 to {MostSlots}");
        return slots >= given ? slots : throw new RequestException($"--max-loras is {slots}, and --lora names {given} adapters");
    }

    /// <summary>PATH=NAME, or PATH whose last part is the name. A path that exists as it is may contain "=".</summary>
    public static (string Folder, string Name) Split(string text)
    {
        int at = text.LastIndexOf('=');
        return at < 0 || Directory.Exists(text)
            ? (text, Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(text))))
            : (text[..at], text[(at + 1)..]);
    }

    /// <summary>Loads what --lora names.</summary>
    /// <returns>The name of the first; null when there is none.</returns>
    /// <exception cref="LapidaryException">One cannot be served; the message says why.</exception>
    public static string? Load(string[]? lora, LoraAdapters adapters)
    {
        (string Folder, string Name)[] named = [.. (lora ?? []).Select(Split)];
        foreach ((string folder, string name) in named) adapters.Load(folder, name);
        return named is [var first, ..] ? first.Name : null;
    }
}
