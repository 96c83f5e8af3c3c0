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
    private readonly ParseResult[] places; // those that come first win

    private Settings(params ParseResult[] places) => this.places = places;

    public T? Get<T>(Option<T> option) => (Array.Find(places, place => IsGiven(place, option)) ?? places[^1]).GetValue(option);

    /// <summary>What in the environment looks like a setting and is none, a line each.</summary>
    public IEnumerable<string> Slips => SettingVariables.Slips(places[0].CommandResult.Command, Environment.GetEnvironmentVariables());

    /// <param name="given">The parsed command line.</param>
    /// <param name="configFile">A JSON file of settings, or null.</param>
    /// <exception cref="ConfigException">The file or a variable of the environment cannot be used.</exception>
    public static Settings Of(ParseResult given, string? configFile)
    {
        Command command = given.CommandResult.Command;
        List<string> fromEnvironment = [], fromFile = [];
        Dictionary<string, JsonElement> file = configFile is null ? [] : ReadFile(configFile, command);
        foreach (Option option in command.Options)
        {
            if (IsGiven(given, option)) continue;
            if (SettingVariables.Read(option) is { } values) Add(fromEnvironment, option, values);
            else if (file.TryGetValue(option.Name[2..], out JsonElement value)) Add(fromFile, option, Words(value, option, configFile!));
        }
        return new Settings(given, Parse(command, fromEnvironment, "the environment"), Parse(command, fromFile, configFile));
    }

    private static ParseResult Parse(Command command, List<string> words, string? place)
    {
        ParseResult parsed = command.Parse(words);
        return parsed.Errors is [var error, ..] ? throw new ConfigException($"{place}: {MessageText.OneLine(error.Message.Split(" as expected type ")[0])}") : parsed;
    }

    private static bool IsGiven(ParseResult parsed, Option option) => parsed.GetResult(option) is OptionResult { Implicit: false };

    private static void Add(List<string> words, Option option, IEnumerable<string> values)
        => words.AddRange(values.Select(value => $"{option.Name}={value}"));

    // People write the file: they leave notes in it, and commas.
    private static readonly CliJson file = new(new JsonSerializerOptions(CliJson.Default.Options) { ReadCommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });

    private static Dictionary<string, JsonElement> ReadFile(string path, Command command)
    {
        Dictionary<string, JsonElement>? settings;
        try
        {
            using FileStream stream = File.OpenRead(path);
            settings = JsonSerializer.Deserialize(stream, file.DictionaryStringJsonElement);
        }
        catch (Exception exception) when (exception is JsonException or IOException or UnauthorizedAccessException)
        {
            string why = Directory.Exists(path) ? "it is a folder" : exception.Message.Contains("could not be converted", StringComparison.Ordinal) ? "it holds something else" : exception.Message;
            throw new ConfigException($"{path} cannot be read as a JSON object of settings: {MessageText.OneLine(why)}", exception);
        }
        if (settings is null) throw new ConfigException($"{path} cannot be read as a JSON object of settings: it holds null");
        string[] known = [.. command.Options.Select(option => option.Name[2..]).Where(name => name != "config")]; // a file names no further file
        if (settings.Keys.FirstOrDefault(key => !known.Contains(key)) is { } unknown)
            throw new ConfigException($"{path}: {MessageText.Quote(unknown)} is no setting; known are {string.Join(", ", known.Order())}");
        return settings;
    }

    private static IEnumerable<string> Words(JsonElement value, Option option, string file) => value.ValueKind switch
    {
        JsonValueKind.String => [value.GetString()!],
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => [value.GetRawText()],
        JsonValueKind.Array when option.Arity.MaximumNumberOfValues > 1 && value.GetArrayLength() > 0 => value.EnumerateArray().SelectMany(element => Words(element, option, file)),
        _ => throw new ConfigException($"{file}: {option.Name[2..]} is {Found(value)}, expected a string, a number or a boolean{(option.Arity.MaximumNumberOfValues > 1 ? ", or an array of them" : "")}"),
    };

    private static string Found(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => value.GetArrayLength() == 0 ? "an empty array" : "an array",
        JsonValueKind.Object => "an object",
        _ => "null",
    };
}
