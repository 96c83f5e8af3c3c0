using System.CommandLine;
using System.Runtime.CompilerServices;

namespace Lapidary.Cli.Commands;

/// <summary>The OpenAI-compatible server. Nothing of it is loaded before this command runs.</summary>
internal static class ServeCommand
{
    public const string Name = "serve";

    public static Command Create()
    {
        ServeOptions options = new();
        Command command = new(Name, "Serve a model over HTTP, compatible with OpenAI's API. Every option can also be set as LAPIDARY_NAME in the environment or in --config FILE.");
        options.AddTo(command);
        command.SetAction((parsed, _) => Serve(options, parsed));
        return command;
    }

    // Kept out of line: the other commands must not load ASP.NET when this class is compiled.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Task<int> Serve(ServeOptions options, ParseResult parsed) => ServeRun.RunAsync(options, options.Read(parsed));
}
