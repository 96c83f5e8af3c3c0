using System.CommandLine;
using Lapidary.Cpu;
using Lapidary.Generation;
using Lapidary.Models;
using Lapidary.Sampling;
using Lapidary.Tokenizers;

namespace Lapidary.Cli.Commands;

/// <summary>A conversation in the terminal.</summary>
internal static class ChatCommand
{
    private const string Help = """
        /help            this list
        /system TEXT     set the system message
        /think           let the model think first, or stop doing so
        /history         show the conversation
        /clear           forget the conversation
        /exit            leave (also Ctrl-D)
        """;

    public static Command Create()
    {
        Option<string?> system = new("--system") { Description = "A system message." };
        ModelOptions options = new();
        Command command = new("chat", "Talk with the model; /help lists what can be typed.") { system };
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            using CpuKernels kernels = options.Kernels(parsed);
            using LanguageModel model = options.Open(parsed, kernels);
            ChatHistory history = new();
            if (parsed.GetValue(system) is { } text) history.SetSystem(text);
            Console.Error.WriteLine($"{Path.GetFileName(Path.TrimEndingDirectorySeparator(model.Location))} on {kernels.Description}; /help for help");
            Talk(model, history, options.Sampling(parsed, model));
        });
        return command;
    }

    private static void Talk(LanguageModel model, ChatHistory history, SamplingParameters sampling)
    {
        TextGenerator generator = new(model);
        using StreamReader input = StandardStreams.Input();
        using StreamWriter output = StandardStreams.Output();
        output.AutoFlush = true;
        while (true)
        {
            Console.Error.Write("> ");
            if (input.ReadLine() is not { } line || line.Trim() is "/exit" or "/quit") return;
            if (line.Trim().Length == 0) continue;
            if (line.StartsWith('/')) Obey(line.Trim(), history);
            else Answer(line, model, generator, history, sampling, output);
        }
    }

    private static void Obey(string line, ChatHistory history)
    {
        (string word, string rest) = line.Split(' ', 2) is [var first, var second] ? (first, second) : (line, "");
        switch (word)
        {
            case "/help":
                Console.Error.WriteLine(Help);
                break;
            case "/system" when rest.Length > 0:
                history.SetSystem(rest);
                break;
            case "/think":
                history.Think = !history.Think;
                Console.Error.WriteLine(history.Think ? "thinking" : "not thinking");
                break;
            case "/history":
                foreach ((string role, string content) in history.Messages) Console.Error.WriteLine($"{role}: {content}");
                break;
            case "/clear":
                history.Clear();
                break;
            default:
                Console.Error.WriteLine($"unknown command {line}; /help lists what can be typed");
                break;
        }
    }

    private static void Answer(
        string line, LanguageModel model, TextGenerator generator, ChatHistory history, SamplingParameters sampling, StreamWriter output)
    {
        history.Add("user", line);
        using CancellationTokenSource cancel = new();
        ConsoleCancelEventHandler interrupt = (_, e) =>
        {
            e.Cancel = true; // Ctrl-C ends the answer, not the program
            cancel.Cancel();
        };
        Console.CancelKeyPress += interrupt;
        try
        {
            int[] ids = model.Tokenizer.Encode(model.ChatTemplate.Render(history.Request()), SpecialTokens.Omit);
            TextStream stream = new(model, generator);
            stream.Run(ids, sampling, output.Write, cancel.Token);
            output.WriteLine();
            Console.Error.WriteLine(stream.Timing(ids.Length));
            history.Add("assistant", stream.Text);
        }
        catch (OperationCanceledException)
        {
            output.WriteLine();
            history.RemoveLast();
        }
        catch (RequestException exception) // e.g. the conversation has outgrown the context
        {
            Console.Error.WriteLine($"error: {exception.Message}");
            history.RemoveLast();
        }
        finally
        {
            Console.CancelKeyPress -= interrupt;
        }
    }
}
