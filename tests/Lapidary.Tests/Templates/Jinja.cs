using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lapidary.Templates;

namespace Lapidary.Tests.Templates;

/// <summary>One rendering: text, or a refusal.</summary>
public sealed record Rendering(string? Text, string? Error)
{
    /// <summary>Both refuse, or both give the same text. Messages may differ.</summary>
    public bool Agrees(Rendering other) => (Text is null) == (other.Text is null) && Text == other.Text;

    public override string ToString() => Text is null ? $"refused: {Error}" : JsonSerializer.Serialize(Text);
}

/// <summary>A template with the variables to render it with, as JSON.</summary>
public sealed record Case(string Name, string Template, string Variables);

/// <summary>Renders with the real Jinja2 (Debian's python3-jinja2) and with ours.</summary>
public static class Jinja
{
    private const string Python = "/usr/bin/python3";

    /// <summary>The clock of tests/jinja/oracle.py.</summary>
    private sealed class OracleClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => new(2026, 3, 9, 14, 5, 7, TimeSpan.Zero);

        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;
    }

    public static readonly TimeProvider Clock = new OracleClock();

    public static string Root { get; } = FindRoot();

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Lapidary.slnx"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("the tests do not run inside the repository");
    }

    public static void Require()
    {
        if (File.Exists(Python) && Run([], "-c", "import jinja2").ExitCode == 0) return;
        const string Missing = "python3-jinja2 is not installed: apt-get install python3-jinja2";
        if (Environment.GetEnvironmentVariable("LAPIDARY_REQUIRE_TOOLS") == "1") Assert.Fail(Missing);
        Assert.Skip(Missing);
    }

    public static List<Rendering> RenderAll(IReadOnlyList<Case> cases)
    {
        StringBuilder lines = new();
        foreach (Case item in cases)
            lines.Append("{\"template\":").Append(JsonSerializer.Serialize(item.Template)).Append(",\"variables\":").Append(item.Variables.ReplaceLineEndings(" ")).Append("}\n");
        var (exitCode, output) = Run(Encoding.UTF8.GetBytes(lines.ToString()), Path.Combine(Root, "tests", "jinja", "oracle.py"));
        Assert.Equal(0, exitCode);
        List<Rendering> answers = [];
        foreach (string line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using JsonDocument answer = JsonDocument.Parse(line);
            JsonElement root = answer.RootElement;
            answers.Add(root.GetProperty("ok").GetBoolean()
                ? new Rendering(root.GetProperty("text").GetString(), null)
                : new Rendering(null, root.GetProperty("error").GetString()));
        }
        Assert.Equal(cases.Count, answers.Count);
        return answers;
    }

    private static (int ExitCode, string Output) Run(byte[] input, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(Python, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            StandardOutputEncoding = Encoding.UTF8,
        })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        process.StandardInput.BaseStream.Write(input);
        process.StandardInput.Close();
        if (!process.WaitForExit(TimeSpan.FromMinutes(5)))
        {
            process.Kill();
            Assert.Fail("Jinja2 did not finish within five minutes");
        }
        return (process.ExitCode, output.Result);
    }

    /// <summary>The variables of each conversation in tests/jinja/conversations.json, as transformers passes them.</summary>
    public static List<(string Name, string Variables)> Conversations()
    {
        string file = Path.Combine(Root, "tests", "jinja", "conversations.json");
        JsonObject all = JsonNode.Parse(File.ReadAllText(file))!.AsObject();
        // The tools are written once and named as "$tools" in the conversations.
        JsonNode tools = all["$tools"]!;
        all.Remove("$tools");
        List<(string, string)> conversations = [];
        foreach (var (name, value) in all)
        {
            JsonObject variables = new() { ["bos_token"] = "<bos>", ["eos_token"] = "<eos>", ["tools"] = null, ["documents"] = null, ["add_generation_prompt"] = true };
            foreach (var (key, member) in value!.AsObject()) variables[key] = key == "tools" ? tools.DeepClone() : member?.DeepClone();
            conversations.Add((name, variables.ToJsonString()));
        }
        return conversations;
    }

    /// <summary>Any exception but the typed one escapes and fails the test.</summary>
    public static Rendering Ours(Case item)
    {
        try
        {
            var variables = Variables(item.Variables);
            return new Rendering(Template.Parse(item.Template, item.Name).Render(variables, clock: Clock), null);
        }
        catch (TemplateException exception)
        {
            return new Rendering(null, exception.Message);
        }
    }

    public static Dictionary<string, TemplateValue> Variables(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.EnumerateObject().ToDictionary(member => member.Name, member => TemplateValue.FromJson(member.Value));
    }

    /// <summary>Renders all cases both ways and lists those that differ.</summary>
    public static List<string> Differences(IReadOnlyList<Case> cases)
    {
        List<Rendering> expected = RenderAll(cases);
        List<string> differences = [];
        for (int i = 0; i < cases.Count; i++)
        {
            Rendering ours = Ours(cases[i]);
            if (!ours.Agrees(expected[i])) differences.Add($"{cases[i].Name}: {cases[i].Template}\n  jinja {expected[i]}\n  ours  {ours}");
        }
        return differences;
    }

    public static void AssertSame(IReadOnlyList<Case> cases)
    {
        List<string> differences = Differences(cases);
        if (differences.Count > 0) Assert.Fail($"{differences.Count} of {cases.Count} differ:\n{string.Join('\n', differences.Take(40))}");
    }
}
