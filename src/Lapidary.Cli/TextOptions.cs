using System.CommandLine;
using System.Text;
using Lapidary.Models;

namespace Lapidary.Cli;

/// <summary>Options of the commands that measure a model on a text.</summary>
internal sealed class TextOptions
{
    private readonly Argument<string?> model = new("model") { Description = "Model folder or *.gguf file; the embedded model by default.", Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<string> text = new("--text") { Description = "The text to compute, a UTF-8 file; \"-\" for standard input.", Required = true, HelpName = "FILE" };
    private readonly Option<int?> context = new("--context") { Description = "A longer text is computed in windows of that many tokens; 2048 by default, or what the model allows." };
    private readonly Option<int?> tokens = new("--tokens") { Description = "Use only the first so many tokens of the text." };

    public void AddTo(Command command)
    {
        command.Arguments.Add(model);
        foreach (Option option in (Option[])[text, context, tokens]) command.Options.Add(option);
    }

    public string Model(ParseResult parsed) => parsed.GetValue(model) ?? DefaultModel.Locate();

    public int? MaxTokens(ParseResult parsed) => parsed.GetValue(tokens);

    /// <exception cref="RequestException">The file cannot be read, or is not UTF-8.</exception>
    public string Text(ParseResult parsed) => Read(parsed.GetValue(text)!);

    /// <inheritdoc cref="Text"/>
    /// <param name="file">"-" for standard input.</param>
    public static string Read(string file)
    {
        if (file == "-") return StandardStreams.ReadAll();
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(File.ReadAllBytes(file)).TrimStart('\uFEFF');
        }
        catch (DecoderFallbackException exception)
        {
            throw new RequestException($"{file}: not valid UTF-8 (byte {exception.Index})", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new RequestException($"--text {file}: {exception.Message}", exception);
        }
    }

    /// <summary>What was asked for; null for the default.</summary>
    public int? Context(ParseResult parsed) => parsed.GetValue(context);
}
