using System.CommandLine;
using Lapidary.Cpu;
using Lapidary.Models;

namespace Lapidary.Cli.Commands;

/// <summary>A conversation in the terminal.</summary>
internal static class ChatCommand
{
    private const int SpareAdapterSlots = 4;

    public static Command Create()
    {
        Option<string?> system = new("--system") { Description = "A system message." };
        ModelOptions options = new(SpareAdapterSlots);
        Command command = new("chat", "Talk with the model; /help lists what can be typed.") { system };
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            using CpuKernels kernels = options.Kernels(parsed);
            using LanguageModel model = options.Open(parsed, kernels);
            ChatSession session = new(model, options.Sampling(parsed, model)) { Adapter = options.LoadAdapters(parsed, model) };
            if (parsed.GetValue(system) is { } text) session.History.SetSystem(text);
            Console.Error.WriteLine($"{Path.GetFileName(Path.TrimEndingDirectorySeparator(model.Location))} on {kernels.Description}; /help for help");
            session.Talk();
        });
        return command;
    }
}
