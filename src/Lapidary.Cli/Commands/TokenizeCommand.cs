using System.CommandLine;
using System.Text.Json;
using Lapidary.Models;
using Lapidary.Tokenizers;

namespace Lapidary.Cli.Commands;

/// <summary>Text to token ids.</summary>
internal static class TokenizeCommand
{
    public static Command Create()
    {
        Argument<string?> text = new("text") { Description = "The text; standard input when missing.", Arity = ArgumentArity.ZeroOrOne };
        Option<bool> noSpecial = new("--no-special") { Description = "Without the tokens that the tokenizer adds, such as <bos>. Control tokens in the text are still found." };
        TokenizerOptions options = new();
        Command command = new("tokenize", "Turn text into token ids.") { text, noSpecial };
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            Tokenizer tokenizer = options.Load(parsed);
            SpecialTokens special = parsed.GetValue(noSpecial) ? SpecialTokens.Omit : SpecialTokens.Add;
            using StreamWriter output = StandardStreams.Output();
            if (parsed.GetValue(options.JsonLines))
                foreach (string line in JsonLines.Read<string>(CliJson.Default.String, "a JSON string"))
                    output.WriteLine(JsonSerializer.Serialize(tokenizer.Encode(line, special), CliJson.Default.Int32Array));
            else
                output.WriteLine(JsonSerializer.Serialize(tokenizer.Encode(parsed.GetValue(text) ?? StandardStreams.ReadAll(), special), CliJson.Default.Int32Array));
        });
        return command;
    }
}

/// <summary>Token ids to text.</summary>
internal static class DetokenizeCommand
{
    public static Command Create()
    {
        Argument<string?> ids = new("ids") { Description = "A JSON array of ids; standard input when missing.", Arity = ArgumentArity.ZeroOrOne };
        Option<bool> skip = new("--skip-special", "--no-special") { Description = "Leave special tokens out of the text." };
        TokenizerOptions options = new();
        Command command = new("detokenize", "Turn token ids into text.") { ids, skip };
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            Tokenizer tokenizer = options.Load(parsed);
            SpecialText special = parsed.GetValue(skip) ? SpecialText.Skip : SpecialText.Keep;
            using StreamWriter output = StandardStreams.Output();
            if (parsed.GetValue(options.JsonLines))
                foreach (int[] line in JsonLines.Read<int[]>(CliJson.Default.Int32Array, "a JSON array of ids"))
                    output.WriteLine(JsonSerializer.Serialize(tokenizer.Decode(line, special), CliJson.Default.String));
            else
                output.WriteLine(tokenizer.Decode(JsonLines.Parse(parsed.GetValue(ids) ?? StandardStreams.ReadAll(), CliJson.Default.Int32Array, "a JSON array of ids"), special));
        });
        return command;
    }
}

/// <summary>Which tokenizer to use and in which form lines come.</summary>
internal sealed class TokenizerOptions
{
    private readonly Option<string?> tokenizer = new("--tokenizer") { Description = "A tokenizer.json file." };
    private readonly Option<string?> model = new("--model") { Description = "A model folder; the embedded model by default." };

    public Option<bool> JsonLines { get; } = new("--jsonl") { Description = "One JSON value a line on standard input, one a line on standard output." };

    public void AddTo(Command command)
    {
        command.Options.Add(tokenizer);
        command.Options.Add(model);
        command.Options.Add(JsonLines);
        command.Validators.Add(result =>
        {
            if (result.GetValue(tokenizer) is not null && result.GetValue(model) is not null) result.AddError("give --tokenizer FILE or --model DIR, not both");
        });
    }

    public Tokenizer Load(ParseResult parsed)
        => Tokenizer.Load(parsed.GetValue(tokenizer) ?? parsed.GetValue(model) ?? DefaultModel.Locate());
}
