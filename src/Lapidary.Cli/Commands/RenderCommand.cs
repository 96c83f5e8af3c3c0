using System.CommandLine;
using System.Text;
using Lapidary.Models;
using Lapidary.Templates;

namespace Lapidary.Cli.Commands;

/// <summary>lapidary render: the prompt a chat request becomes, byte for byte.</summary>
internal static class RenderCommand
{
    public static Command Create()
    {
        Option<string> template = new("--template") { Description = "Template file; special tokens come from a tokenizer_config.json beside it", HelpName = "FILE" };
        Option<string> model = new("--model") { Description = "Model folder with a chat template; the embedded model by default", HelpName = "DIR" };
        Command command = new("render", "Read an OpenAI-style chat request (JSON) from standard input and print the prompt it becomes") { template, model };
        command.Validators.Add(result =>
        {
            if (result.GetValue(template) is not null && result.GetValue(model) is not null) result.AddError("give --template FILE or --model DIR, not both");
        });
        command.SetAction(parsed => Render(parsed.GetValue(template) ?? parsed.GetValue(model) ?? DefaultModel.Locate()));
        return command;
    }

    private static int Render(string path)
    {
        ChatTemplate template = ChatTemplate.Load(path);
        using Stream input = Console.OpenStandardInput(), output = Console.OpenStandardOutput();
        using MemoryStream request = new();
        input.CopyTo(request);
        output.Write(Encoding.UTF8.GetBytes(template.Render(ChatRequest.Parse(request.ToArray()))));
        return 0;
    }
}
