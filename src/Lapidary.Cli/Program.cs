using System.CommandLine;
using System.CommandLine.Parsing;
using Lapidary;
using Lapidary.Cli.Commands;

// One line per command; each command is one file under Commands/.
RootCommand root = new("Lapidary runs mixture-of-experts language models from HuggingFace checkpoints.")
{
    RunCommand.Create(),
    ChatCommand.Create(),
    ServeCommand.Create(),
    BatchCommand.Create(),
    InspectCommand.Create(),
    DoctorCommand.Create(),
    ParityCommand.Create(),
    MoeCommand.Create(),
    VerifyCommand.Create(),
    BenchCommand.Create(),
    QuantizeCommand.Create(),
    ExpertsCommand.Create(),
    TokenizeCommand.Create(),
    DetokenizeCommand.Create(),
    RenderCommand.Create(),
};

// Exit codes: 0 done, 1 the work failed (one "error:" line on standard error), 2 the command line is wrong.
ParseResult parsed = root.Parse(args.Length == 0 ? ["--help"] : args);
if (parsed.Errors.Count > 0)
{
    // A word that fits nowhere explains the others: the parser complains about each word that follows it as well.
    string problem = parsed.UnmatchedTokens is [string word, ..] ? $"\"{word}\" is no command or option here" : parsed.Errors[0].Message.Split(" as expected type ")[0]; // the type's .NET name helps no one
    Console.Error.WriteLine($"error: {problem.ReplaceLineEndings(" ")} (see {string.Join(' ', CommandPath(parsed.CommandResult))} --help)");
    return 2;
}

try
{
    InvocationConfiguration invocation = new() { EnableDefaultExceptionHandler = false };
    // By default a signal ends the process after two seconds; a server has its own bound (--shutdown-timeout).
    if (parsed.CommandResult.Command.Name == ServeCommand.Name && parsed.CommandResult.Parent is CommandResult { Command: RootCommand }) invocation.ProcessTerminationTimeout = null;
    return await parsed.InvokeAsync(invocation);
}
catch (OperationCanceledException)
{
    return 130; // interrupted, in the shell's convention
}
catch (IOException exception)
{
    Console.Error.WriteLine($"error: {exception.Message}"); // e.g. the reader of our output has gone
    return 1;
}
catch (LapidaryException exception)
{
    Console.Error.WriteLine($"error: {exception.Message.ReplaceLineEndings(" ")}");
    return 1;
}

static IEnumerable<string> CommandPath(CommandResult command)
    => command.Parent is CommandResult parent ? CommandPath(parent).Append(command.Command.Name) : ["lapidary"];
