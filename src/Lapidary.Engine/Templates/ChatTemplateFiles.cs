using System.Text;
using System.Text.Json;
using Lapidary.Templates.Values;

namespace Lapidary.Templates;

/// <summary>Template sources and special tokens as they lie in a model folder.</summary>
/// <param name="Name">The file the templates came from, for messages.</param>
/// <param name="Sources">By name; a single template is "default".</param>
internal sealed record ChatTemplateFiles(string Name, Dictionary<string, string> Sources, Dictionary<string, TemplateValue> SpecialTokens)
{
    private const long MaxBytes = 64 << 20;
    private const string JinjaFile = "chat_template.jinja", JsonFile = "chat_template.json", ConfigFile = "tokenizer_config.json";

    public static ChatTemplateFiles Read(string path)
    {
        string folder = path;
        string? jinja = Path.Combine(path, JinjaFile);
        if (!Directory.Exists(path))
        {
            folder = Path.GetDirectoryName(Path.GetFullPath(path)) ?? ".";
            jinja = path;
            if (!File.Exists(path)) throw new TemplateException($"{path}: there is no such folder or template file");
        }
        Dictionary<string, string> sources = new(StringComparer.Ordinal);
        Dictionary<string, TemplateValue> tokens = new(StringComparer.Ordinal);
        string config = Path.Combine(folder, ConfigFile), json = Path.Combine(folder, JsonFile);
        TemplateValue? inConfig = File.Exists(config) ? ReadConfig(config, tokens) : null;
        if (File.Exists(jinja))
        {
            sources["default"] = Text(jinja);
            return new ChatTemplateFiles(Path.GetFileName(jinja), sources, tokens);
        }
        if (File.Exists(json))
        {
            AddSources(ReadConfig(json, []), sources, JsonFile);
            return new ChatTemplateFiles(JsonFile, sources, tokens);
        }
        if (inConfig is null)
            throw new TemplateException($"{path} has no chat template: expected {JinjaFile}, {JsonFile}, or \"chat_template\" in {ConfigFile}. Base models have none; give one with --template (serve: --chat-template)");
        AddSources(inConfig, sources, ConfigFile);
        return new ChatTemplateFiles(ConfigFile, sources, tokens);
    }

    private static void AddSources(TemplateValue? template, Dictionary<string, string> sources, string file)
    {
        switch (template)
        {
            case StringValue source:
                sources["default"] = source.Text;
                return;
            case ListValue named:
                foreach (TemplateValue entry in named.Items)
                {
                    if (entry.Member("name")?.AsText is not { } name || entry.Member("template")?.AsText is not { } text)
                        throw new TemplateException($"{file}: each entry of \"chat_template\" needs the strings \"name\" and \"template\"");
                    sources[name] = text;
                }
                return;
            default:
                throw new TemplateException($"{file}: \"chat_template\" must be a string or a list, found {template?.TypeName ?? "nothing"}");
        }
    }

    /// <summary>Reads "chat_template" and the special tokens; skips everything else without making values of it.</summary>
    private static TemplateValue? ReadConfig(string path, Dictionary<string, TemplateValue> tokens)
    {
        string file = Path.GetFileName(path);
        TemplateValue? template = null;
        try
        {
            Utf8JsonReader reader = new(WithoutMark(Bytes(path)));
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) throw new TemplateException($"{file}: expected a JSON object");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string name = reader.GetString()!;
                reader.Read();
                if (name == "chat_template") template = TemplateValue.FromJson(JsonElement.ParseValue(ref reader));
                else if (name is "extra_special_tokens" or "additional_special_tokens" || name.EndsWith("_token", StringComparison.Ordinal))
                    AddTokens(tokens, name, TemplateValue.FromJson(JsonElement.ParseValue(ref reader)));
                else reader.Skip();
            }
            return template;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new TemplateException($"{file} is not valid JSON: {exception.Message}", exception);
        }
    }

    /// <summary>A token is a string, or an object with its text as "content"; extra_special_tokens maps names to tokens.</summary>
    private static void AddTokens(Dictionary<string, TemplateValue> tokens, string name, TemplateValue value)
    {
        if (value is DictValue extra && name == "extra_special_tokens")
        {
            foreach (var (key, token) in extra.Members)
                if (TokenText(token) is { } text) tokens[key.AsText!] = text;
        }
        else if (value is ListValue list && name == "additional_special_tokens")
        {
            tokens[name] = TemplateValue.FromList(list.Items.Select(TokenText).OfType<TemplateValue>());
        }
        else if (TokenText(value) is { } text)
        {
            tokens[name] = text;
        }
    }

    private static StringValue? TokenText(TemplateValue value) => (value as StringValue) ?? value.Member("content") as StringValue;

    private static string Text(string path)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(WithoutMark(Bytes(path)));
        }
        catch (DecoderFallbackException exception)
        {
            throw new TemplateException($"{Path.GetFileName(path)} is not UTF-8 text", exception);
        }
    }

    private static ReadOnlySpan<byte> WithoutMark(byte[] bytes)
        => bytes.AsSpan().StartsWith("\ufeff"u8) ? bytes.AsSpan(3) : bytes;

    private static byte[] Bytes(string path)
    {
        try
        {
            FileInfo file = new(path);
            if (file.Length > MaxBytes) throw new TemplateException($"{file.Name} has {file.Length} bytes, more than the {MaxBytes} allowed");
            return File.ReadAllBytes(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new TemplateException($"{path} cannot be read: {exception.Message}", exception);
        }
    }
}
