using Lapidary.Generation;
using Lapidary.Lora;
using Lapidary.Models;
using Lapidary.Sampling;
using Lapidary.Tokenizers;

namespace Lapidary.Cli;

/// <summary>What is typed, and what is answered.</summary>
internal sealed class ChatSession(LanguageModel model, SamplingParameters sampling)
{
    private const string Help = """
        /help              this list
        /system TEXT       set the system message
        /think             let the model think first, or stop doing so
        /history           show the conversation
        /clear             forget the conversation
        /adapters          list the loaded LoRA adapters
        /adapter NAME      let an adapter answer; without a name the model itself
        /load PATH[=NAME]  load an adapter and let it answer
        /drop NAME         drop an adapter
        /exit              leave (also Ctrl-D)
        """;

    private readonly TextGenerator generator = new(model);

    public ChatHistory History { get; } = new();

    /// <summary>Name of the adapter that answers; null for the model itself.</summary>
    public string? Adapter { get; set; }

    /// <summary>Until the end of the input or /exit.</summary>
    public void Talk()
    {
        using StreamReader input = StandardStreams.Input();
        using StreamWriter output = StandardStreams.Output();
        output.AutoFlush = true;
        while (true)
        {
            Console.Error.Write("> ");
            if (input.ReadLine() is not { } line || line.Trim() is "/exit" or "/quit") return;
            if (line.Trim().Length == 0) continue;
            try
            {
                if (line.StartsWith('/')) Obey(line.Trim());
                else Answer(line, output);
            }
            catch (LapidaryException exception) // e.g. the conversation has outgrown the context
            {
                Console.Error.WriteLine($"error: {exception.Message}");
            }
        }
    }

    private void Obey(string line)
    {
        (string word, string rest) = line.Split(' ', 2) is [var first, var second] ? (first, second.Trim()) : (line, "");
        switch (word)
        {
            case "/help":
                Console.Error.WriteLine(Help);
                break;
            case "/system" when rest.Length > 0:
                History.SetSystem(rest);
                break;
            case "/think":
                History.Think = !History.Think;
                Console.Error.WriteLine(History.Think ? "thinking" : "not thinking");
                break;
            case "/history":
                foreach ((string role, string content) in History.Messages) Console.Error.WriteLine($"{role}: {content}");
                break;
            case "/clear":
                History.Clear();
                break;
            case "/adapters":
                ListAdapters();
                break;
            case "/adapter":
                Adapter = rest.Length == 0 ? null : model.Adapters.Find(rest).Name;
                break;
            case "/load" when rest.Length > 0:
                (string folder, string name) = LoraOptions.Split(rest);
                Adapter = model.Adapters.Load(folder, name).Name;
                Console.Error.WriteLine($"{Adapter} answers");
                break;
            case "/drop" when rest.Length > 0:
                model.Adapters.Drop(rest);
                if (Adapter == rest) Adapter = null;
                break;
            default:
                Console.Error.WriteLine($"unknown command {line}; /help lists what can be typed");
                break;
        }
    }

    private void ListAdapters()
    {
        foreach (LoadedAdapter adapter in model.Adapters.Loaded)
            Console.Error.WriteLine($"{(adapter.Name == Adapter ? "* " : "  ")}{adapter.Name}  rank {adapter.Config.R}  {adapter.Folder}");
        Console.Error.WriteLine($"{model.Adapters.Loaded.Count()} of {model.Adapters.Slots} loaded; {(Adapter is null ? "the model itself" : Adapter)} answers");
    }

    private void Answer(string line, StreamWriter output)
    {
        History.Add("user", line);
        bool answered = false;
        using CancellationTokenSource cancel = new();
        ConsoleCancelEventHandler interrupt = (_, e) =>
        {
            e.Cancel = true; // Ctrl-C ends the answer, not the program
            cancel.Cancel();
        };
        Console.CancelKeyPress += interrupt;
        try
        {
            int[] ids = model.Tokenizer.Encode(model.ChatTemplate.Render(History.Request()), SpecialTokens.Omit);
            TextStream stream = new(model, generator);
            stream.Run(ids, sampling, Adapter, output.Write, cancel.Token);
            output.WriteLine();
            Console.Error.WriteLine(stream.Timing(ids.Length));
            History.Add("assistant", stream.Text);
            answered = true;
        }
        catch (OperationCanceledException)
        {
            output.WriteLine();
        }
        finally
        {
            Console.CancelKeyPress -= interrupt;
            if (!answered) History.RemoveLast();
        }
    }
}
