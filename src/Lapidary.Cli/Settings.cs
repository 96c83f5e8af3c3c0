using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json;

namespace Lapidary.Cli;

/// <summary>
/// Values of a command's options from three places: the command line, then the environment, then a configuration file.
/// <c>--max-model-len</c> is <c>LAPIDARY_MAX_MODEL_LEN</c> and <c>"max-model-len"</c>. All are parsed by the option itself.
/// </summary>
internal sealed class Settings
{
    private readonly ParseResult given, otherwise;

    private Settings(ParseResult given, ParseResult otherwise) => (this.given, this.otherwise) = (given, otherwise);

    public T? Get<T>(Option<T> option) => (IsGiven(given, option) ? given : otherwise).GetValue(option);

    /// <summary>What in the environment looks like a setting and is none, a line each.</summary>
    public IEnumerable<string> Slips => SettingVariables.Slips(given.CommandResult.Command, Environment.GetEnvironmentVariables());

    /// <param name="given">The parsed command line.</param>
    /// <param name="configFile">A JSON file of settings, or null.</param>
    /// <exception cref="ConfigException">The file or a variable of the environment cannot be used.</exception>
    public static Settings Of(ParseResult given, string? configFile)
    {
        Command command = given.CommandResult.Command;
        List<string> words = [];
        Dictionary<string, JsonElement> file = configFile is null ? [] : ReadFile(configFile, command);
        foreach (Option option in command.Options)
        {
            if (IsGiven(given, option)) continue;
            if (SettingVariables.Read(option) is { } text)
                Add(words, option, option.Arity.MaximumNumberOfValues > 1 ? text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) : [text]);
            else if (file.TryGetValue(option.Name[2..], out JsonElement value))
                Add(words, option, Words(value, option, configFile!));
        }
        ParseResult otherwise = command.Parse(words);
        if (otherwise.Errors is [var error, ..])
            throw new ConfigException($"{(configFile is null ? "the environment" : $"the environment or {configFile}")}: {error.Message.Split(" as expected type ")[0]}");
        return new Settings(given, otherwise);
    }

    private static bool IsGiven(ParseResult parsed, Option option) => parsed.GetResult(option) is OptionResult { Implicit: false };

    private static void Add(List<string> words, Option option, IEnumerable<string> values)
        => words.AddRange(values.Select(value => $"{option.Name}={value}"));

    private static Dictionary<string, JsonElement> ReadFile(string path, Command command)
    {
        Dictionary<string, JsonElement> settings;
        try
        {
            settings = JsonSerializer.Deserialize(File.ReadAllBytes(path), CliJson.Default.DictionaryStringJsonElement) ?? throw new ConfigException($"{path}: expected a JSON object, found null");
        }
        catch (Exception exception) when (exception is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new ConfigException($"{path} cannot be read as a JSON object of settings: {MessageText.OneLine(exception.Message)}", exception);
        }
        string[] known = [.. command.Options.Select(option => option.Name[2..]).Where(name => name != "config")]; // a file names no further file
        if (settings.Keys.FirstOrDefault(key => !known.Contains(key)) is { } unknown)
            throw new ConfigException($"{path}: {MessageText.Quote(unknown)} is no setting; known are {string.Join(", ", known.Order())}");
        return settings;
    }

    private static IEnumerable<string> Words(JsonElement value, Option option, string file) => value.ValueKind switch
    {
        JsonValueKind.String => [value.GetString()!],
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => [value.GetRawText()],
        JsonValueKind.Array when option.Arity.MaximumNumberOfValues > 1 => value.EnumerateArray().SelectMany(element => Words(element, option, file)),
        _ => throw new ConfigException($"{file}: {option.Name[2..]} must be a string, a number, a boolean{(option.Arity.MaximumNumberOfValues > 1 ? ", or an array of them" : "")}"),
    };
}
