using Lapidary.Quantization;

namespace Lapidary.Verification;

/// <summary>One setting that a configuration can differ in.</summary>
/// <param name="Name">Left of the equals sign.</param> <param name="Description">For people, in a few words.</param>
/// <param name="Apply">Takes the value in.</param>
public sealed record VariantSetting(string Name, string Description, Func<ModelVariant, string, ModelVariant> Apply);

/// <summary>A configuration of a model, given as settings NAME=VALUE; what is not given is as the model has it.</summary>
public sealed record ModelVariant
{
    /// <summary>Every setting there is; help texts and errors list these.</summary>
    public static IReadOnlyList<VariantSetting> Settings { get; } =
    [
        new("activation", "compute with this activation, e.g. gelu for the erf form", (v, value) => v with { Activation = Lapidary.Activation.FromHuggingFace(value) }),
        new("backend", "force this expert backend (see inspect)", (v, value) => v with { ExpertBackend = value }),
        new("lora", "a PEFT adapter's folder", (v, value) => v with { Lora = value }),
        new("model", "another checkpoint of the same model, e.g. a quantised one", (v, value) => v with { Model = value }),
        new("device", "where to compute", (v, value) => v with { Device = value }),
        new("kv-cache-dtype", $"what keys and values are rounded to: {string.Join(", ", KeyValueTypes.Names)}", (v, value) => v with { KeyValueType = KeyValueTypes.Parse(value) }),
        new("head-format", $"what the head is rounded to: {string.Join(", ", HeadFormat.Names)}", (v, value) => v with { HeadFormat = HeadFormat.Parse(value) }),
        new("arithmetic", "exact: hidden states in float32; fast: rounded to what the device multiplies fastest", (v, value) => v with { Arithmetic = value }),
        new("threads", "worker threads", (v, value) => v with { Threads = ThreadCount(value) }),
    ];

    /// <summary>Activation in place of the model's own.</summary>
    public Activation? Activation { get; private init; }

    /// <summary>Expert backend to force.</summary>
    public string? ExpertBackend { get; private init; }

    /// <summary>Folder of an adapter.</summary>
    public string? Lora { get; private init; }

    /// <summary>Another checkpoint: a folder or a *.gguf file.</summary>
    public string? Model { get; private init; }

    public string? Device { get; private init; }

    /// <summary>What cached keys and values are rounded to.</summary>
    public KeyValueType? KeyValueType { get; private init; }

    /// <summary>What the head is rounded to.</summary>
    public HeadFormat? HeadFormat { get; private init; }

    /// <summary>As the device calls it; null for what the model's kind of file is made for.</summary>
    public string? Arithmetic { get; private init; }

    public int? Threads { get; private init; }

    private IReadOnlyList<string> Given { get; init; } = [];

    /// <param name="settings">NAME=VALUE each; a later one of the same name is an error.</param>
    /// <exception cref="LapidaryException">Not of that form, an unknown name or value; the message lists the known ones.</exception>
    public static ModelVariant Parse(IEnumerable<string> settings)
    {
        ModelVariant variant = new();
        HashSet<string> seen = [];
        foreach (string text in settings)
        {
            string[] parts = text.Split('=', 2);
            if (parts.Length < 2 || parts[1].Length == 0)
                throw new RequestException($"{MessageText.Quote(text)} is not NAME=VALUE; known names: {Names}");
            VariantSetting setting = Settings.FirstOrDefault(s => s.Name == parts[0])
                ?? throw new RequestException($"unknown setting {MessageText.Quote(parts[0])} in {MessageText.Quote(text)}; known names: {Names}");
            if (!seen.Add(setting.Name)) throw new RequestException($"{setting.Name} is given twice; a configuration has one");
            variant = setting.Apply(variant, parts[1]) with { Given = [.. variant.Given, text] };
        }
        return variant;
    }

    public override string ToString() => Given.Count == 0 ? "as published" : string.Join(", ", Given);

    private static string Names => string.Join(", ", Settings.Select(s => s.Name));

    private static int ThreadCount(string value) => int.TryParse(value, out int threads) && threads is >= 1 and <= 1024
        ? threads
        : throw new RequestException($"threads={value}: expected 1 to 1024");
}
