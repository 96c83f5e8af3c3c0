using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Lapidary.Server.Tests;

/// <summary>The clients of npm, in tests/clients-node: each file runs once, and each of its cases is a test here.</summary>
public sealed class NodeClients(Server open, GuardedServer guarded) : IClassFixture<GuardedServer>
{
    private static readonly string Folder = Path.Combine(Repository.Root, "tests/clients-node");
    private static readonly Dictionary<string, Task<Dictionary<string, string?>>> Runs = [];

    public static TheoryData<string, string> Cases
    {
        get
        {
            TheoryData<string, string> cases = [];
            foreach (string file in Directory.GetFiles(Folder, "*.mjs").Order())
                foreach (Match match in Regex.Matches(File.ReadAllText(file), "^test\\(\"([^\"]+)\"", RegexOptions.Multiline))
                    cases.Add(Path.GetFileNameWithoutExtension(file), match.Groups[1].Value);
            return cases;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public async Task Work(string client, string name)
    {
        bool present = Directory.Exists(Path.Combine(Folder, "node_modules/openai"));
        if (Environment.GetEnvironmentVariable("LAPIDARY_REQUIRE_TOOLS") == "1") Assert.True(present, "node packages are missing in tests/clients-node");
        Assert.SkipUnless(present, "needs the clients: run npm install in tests/clients-node");
        Task<Dictionary<string, string?>> run;
        lock (Runs)
            if (!Runs.TryGetValue(client, out run!)) Runs[client] = run = Run(client);
        Dictionary<string, string?> results = await run;
        Assert.True(results.TryGetValue(name, out string? error), "the case did not run");
        Assert.Null(error);
    }

    private async Task<Dictionary<string, string?>> Run(string client)
    {
        using Process node = Process.Start(new ProcessStartInfo("node", [$"{client}.mjs", open.Client.BaseAddress!.ToString(), guarded.Client.BaseAddress!.ToString()])
        {
            WorkingDirectory = Folder,
            RedirectStandardOutput = true,
        })!;
        Dictionary<string, string?> results = [];
        while (await node.StandardOutput.ReadLineAsync() is { } line)
        {
            JsonNode result = JsonNode.Parse(line)!;
            results[result["name"]!.GetValue<string>()] = result["error"]?.GetValue<string>();
        }
        await node.WaitForExitAsync();
        return results;
    }
}
