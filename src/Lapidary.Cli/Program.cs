using System.CommandLine;
using Lapidary;
using Lapidary.Cli.Commands;

// One line per command; each command is one file under Commands/.
RootCommand root = new("Lapidary runs mixture-of-experts language models from HuggingFace checkpoints.")
{
    RunCommand.Create(),
    ChatCommand.Create(),
    InspectCommand.Create(),
    DoctorCommand.Create(),
    ParityCommand.Create(),
    TokenizeCommand.Create(),
    DetokenizeCommand.Create(),
    RenderCommand.Create(),
};

// Exit codes: 0 done, 1 the work failed (one "error:" line on standard error), 2 the command line is wrong.
ParseResult parsed = root.Parse(args);
if (parsed.Errors.Count > 0)
{
    foreach (var error in parsed.Errors) Console.Error.WriteLine($"error: {error.Message}");
    return 2;
}

try
{
    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
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
