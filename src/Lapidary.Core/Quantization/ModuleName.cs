using System.Text.RegularExpressions;
using Lapidary.Checkpoints;

namespace Lapidary.Quantization;

/// <summary>A weight matrix's module as quantisation configurations name it: with any of the prefixes a text model is saved under.</summary>
internal sealed class ModuleName
{
    /// <param name="prefix">The prefix this checkpoint uses.</param>
    /// <param name="name">Without it, e.g. "layers.0.self_attn.q_proj".</param>
    public ModuleName(string prefix, string name)
    {
        Full = WeightNames.Resolve(prefix, name);
        string[] names = [Full, .. WeightNames.Prefixes.Select(other => WeightNames.Resolve(other, name)).Where(other => other != Full)];
        // A stacked parameter's module is the one that holds it.
        int parameter = name.LastIndexOf(".experts.", StringComparison.Ordinal);
        bool stacked = parameter >= 0 && name.EndsWith("_proj", StringComparison.Ordinal) && !char.IsAsciiDigit(name[parameter + ".experts.".Length]);
        Spellings = stacked ? [.. names, .. names.Select(full => full[..full.LastIndexOf('.')])] : names;
        ClassName = name.StartsWith("embed_tokens", StringComparison.Ordinal) ? "Embedding" : "Linear";
    }

    public string Full { get; }
    public IReadOnlyList<string> Spellings { get; }

    /// <summary>Class of the module in PyTorch.</summary>
    public string ClassName { get; }
}

/// <summary>How closely a pattern names a module; the closest decides.</summary>
internal enum Match
{
    None,
    Class,
    Pattern,
    Exact,
}

/// <summary>A target of a quantisation configuration: a module's name, a class name, "re:" and a regular expression, or a name with *.</summary>
internal sealed class ModulePattern
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    private readonly string text;
    private readonly Regex? regex;
    private readonly string file;

    private ModulePattern(string text, Regex? regex, JsonConfig config)
    {
        this.text = text;
        this.regex = regex;
        file = config.File;
    }

    /// <summary>As compressed-tensors has them: "re:" begins a regular expression that must fit from the start of the name, as Python's re.match.</summary>
    /// <exception cref="ConfigException">Not a valid regular expression.</exception>
    public static ModulePattern Parse(string text, JsonConfig config)
        => new(text, text.StartsWith("re:", StringComparison.Ordinal) ? Compile($@"\A(?:{text[3..]})", text, config) : null, config);

    /// <summary>A regular expression alone, as in GPTQModel's "dynamic".</summary>
    /// <exception cref="ConfigException">Not a valid regular expression.</exception>
    public static ModulePattern ParseRegex(string text, JsonConfig config) => new(text, Compile($@"\A(?:{text})", text, config), config);

    /// <summary>As modelopt has them: * stands for any characters, and a name covers what lies below it.</summary>
    public static ModulePattern ParseWildcard(string text, JsonConfig config)
        => new(text, Compile($@"\A{Regex.Escape(text).Replace(@"\*", ".*", StringComparison.Ordinal)}(?:\.|\z)", text, config), config);

    /// <exception cref="ConfigException">The expression takes too long.</exception>
    public Match Matches(ModuleName module)
    {
        if (regex is null)
            return module.Spellings.Contains(text) ? Match.Exact : text == module.ClassName ? Match.Class : Match.None;
        try
        {
            return module.Spellings.Any(regex.IsMatch) ? Match.Pattern : Match.None;
        }
        catch (RegexMatchTimeoutException exception)
        {
            throw new ConfigException($"{file}: the pattern {MessageText.Quote(text)} takes over a second on {module.Full}; simplify it", exception);
        }
    }

    private static Regex Compile(string pattern, string shown, JsonConfig config)
    {
        try
        {
            return new Regex(pattern, RegexOptions.CultureInvariant, Limit);
        }
        catch (ArgumentException exception)
        {
            throw new ConfigException(config.Error($"{MessageText.Quote(shown)} is no valid regular expression ({exception.Message})").Message, exception);
        }
    }
}
