using System.Text.Json.Nodes;
using System.Xml;
using System.Xml.Linq;
using Lapidary.Cli.Reports;
using Lapidary.Tests.Checkpoints;
using Lapidary.Verification;

namespace Lapidary.Tests.Cli;

/// <summary>The commands that measure a model on a text, as a user types them: <c>verify</c> and <c>experts</c>.</summary>
public sealed class MeasureCommandTests : IDisposable
{
    private const string Story = "Once upon a time, there was a little cat named Tom. Tom loved fish more than anything. One day, Tom went to the lake.";

    private readonly CheckpointFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Verify_prints_zeros_for_a_configuration_against_itself_and_numbers_for_another()
    {
        JsonNode same = Json(Story, "verify", "--text", "-", "--base", "backend=grouped", "--against", "threads=1", "--json", "--greedy-tokens", "4");
        Assert.Equal((0.0, 0.0, 0.0), (same["kl"]!["max"]!.GetValue<double>(), same["nll_difference"]!.GetValue<double>(), same["flip_rate"]!.GetValue<double>()));
        Assert.Equal("backend=grouped", same["base"]!["settings"]!.GetValue<string>());
        Assert.Null(same["greedy"]!["first_difference"]);

        JsonNode rounded = Json(Story, "verify", "--text", "-", "--against", "kv-cache-dtype=q8_0", "--json", "--greedy-tokens", "4");
        Assert.InRange(rounded["kl"]!["mean"]!.GetValue<double>(), 1e-9, 1e-2);

        JsonNode fast = Json(Story, "verify", "--text", "-", "--base", "arithmetic=exact", "--against", "arithmetic=fast", "--json", "--greedy-tokens", "4");
        Assert.InRange(fast["kl"]!["mean"]!.GetValue<double>(), 0, 1e-2); // nothing where the processor multiplies no bfloat16

        JsonNode silu = Json(Story, "verify", "--text", "-", "--against", "activation=silu", "--json");
        Assert.True(silu["kl"]!["mean"]!.GetValue<double>() > 1e-4);
        Assert.Equal(("gelu_tanh", "silu"), (silu["base"]!["activation"]!.GetValue<string>(), silu["against"]!["activation"]!.GetValue<string>()));
        Assert.Equal(silu["text_tokens"]!.GetValue<int>(), silu["tokens"]!.AsArray().Count);
        JsonNode flip = silu["flips"]!.AsArray()[0]!;
        JsonNode token = silu["tokens"]!.AsArray().Single(t => t!["position"]!.GetValue<int>() == flip["position"]!.GetValue<int>())!;
        Assert.NotEqual(token["base_top"]!.GetValue<int>(), token["against_top"]!.GetValue<int>());
        Assert.Equal(silu["flip_rate"]!.GetValue<double>(), silu["flips"]!.AsArray().Count / (double)silu["tokens"]!.AsArray().Count);
    }

    [Fact]
    public void Verify_tells_people_whether_it_matters()
    {
        CommandResult result = LapidaryProcess.RunWithInput(Story, "verify", "--text", "-", "--against", "activation=gelu");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.All(["gelu_tanh", "perplexity", "divergence", "99 %", "relative error", "greedy text", "No token of 29 has another most likely one."], word => Assert.Contains(word, result.Output, StringComparison.Ordinal));
    }

    [Fact]
    public void Another_checkpoint_of_the_model_can_be_compared()
    {
        // The embedded model by another path: the same weights.
        CommandResult result = LapidaryProcess.RunWithInput(Story, "verify", "--text", "-", "--against", $"model={Goldens.TinyModel}/../gemma4-tiny", "--tokens", "8", "--json");
        Assert.Equal(0, result.ExitCode);
        Assert.Equal(0, JsonNode.Parse(result.Output)!["kl"]!["max"]!.GetValue<double>());
        using ModelCopy other = new(); // the same tokenizer, another model
        Refused("vocab_size", Story, "verify", "--text", "-", "--against", $"model={other.Path}");
    }

    [Fact]
    public void Verify_writes_a_page_that_needs_nothing_else()
    {
        string page = folder["page.html"];
        JsonNode json = Json(Story, "verify", "--text", "-", "--against", "activation=silu", "--html", page, "--json");
        XElement html = Parse(File.ReadAllText(page));
        XElement[] pictures = [.. html.Descendants("svg")];
        Assert.Equal(4, pictures.Length);
        Assert.Equal(json["flips"]!.AsArray().Count, pictures[0].Elements("circle").Count(c => (string)c.Attribute("class")! == "flip"));
        Assert.Equal(json["tokens"]!.AsArray().Count, pictures[0].Elements("circle").Count(c => (string)c.Attribute("class")! == "dot"));
        Assert.Equal(2 * 8, pictures[1].Elements("circle").Count()); // layers, two curves
        Assert.Equal(8 * 16, pictures[2].Elements("rect").Count(r => (string)r.Attribute("class")! == "cell")); // layers × experts
        Assert.Equal(8 * 16, pictures[3].Elements("rect").Count(r => (string)r.Attribute("class")! is "more" or "less"));
        Assert.All(html.Descendants().Attributes().Where(a => a.Name.LocalName is "x" or "y" or "cx" or "cy" or "width" or "height"), a => Assert.InRange(double.Parse(a.Value, System.Globalization.CultureInfo.InvariantCulture), 0, 2000));
    }

    [Fact]
    public void A_text_full_of_markup_stays_text()
    {
        string page = folder["page.html"];
        const string Hostile = "<script>alert(1)</script> & \"quotes\" ]]> <!-- \u0001 \u007f 猫 🐈 </style>";
        CommandResult result = LapidaryProcess.RunWithInput(Hostile, "verify", "--text", "-", "--against", "activation=silu", "--html", page);
        Assert.Equal(0, result.ExitCode);
        string html = File.ReadAllText(page);
        Parse(html);
        Assert.Contains("&lt;script&gt;", html, StringComparison.Ordinal);
        Assert.ThrowsAny<Exception>(() => Parse("<html><body><script>x</script></body></html>")); // the check itself can fail
    }

    [Fact]
    public void Experts_counts_every_choice()
    {
        string page = folder["experts.html"];
        JsonNode json = Json(Story, "experts", "--text", "-", "--json", "--html", page);
        int tokens = json["text_tokens"]!.GetValue<int>();
        JsonArray layers = json["layers"]!.AsArray();
        Assert.Equal(8, layers.Count);
        Assert.All(layers, layer => Assert.Equal(4 * tokens, layer!["tokens"]!.AsArray().Sum(n => n!.GetValue<int>())));
        Assert.Equal(8 * 16, Parse(File.ReadAllText(page)).Descendants("rect").Count(r => (string)r.Attribute("class")! == "cell"));

        CommandResult people = LapidaryProcess.RunWithInput(Story, "experts", "--text", "-");
        Assert.Equal((0, ""), (people.ExitCode, people.Error));
        Assert.All(["16 experts, 4 per token", "max/mean", "entropy", "▒"], word => Assert.Contains(word, people.Output, StringComparison.Ordinal));
    }

    public static TheoryData<string, string> WrongLines => new()
    {
        { "--against", "verify --text -" },
        { "--text", "verify --against activation=gelu" },
        { "known names: activation, backend", "verify --text - --against activaton=gelu" },
        { "gelu_pytorch_tanh", "verify --text - --against activation=magic" },
        { "this device has ", "verify --text - --against backend=magic" },
        { "this program has cpu", "verify --text - --against device=tpu" },
        { "known: auto, exact, fast", "verify --text - --against arithmetic=slow" },
        { "/nowhere/at/all", "verify --text - --against model=/nowhere/at/all" },
        { "/nowhere/adapter", "verify --text - --against lora=/nowhere/adapter" },
        { "/nowhere.txt", "verify --text /nowhere.txt --against activation=gelu" },
        { "/nowhere/x.html", "verify --text - --against activation=gelu --html /nowhere/x.html" },
        { "--greedy-tokens", "verify --text - --against activation=gelu --greedy-tokens 0" },
        { "context length", "verify --text - --against activation=gelu --context 1" },
        { "context length", "verify --text - --against activation=gelu --context 99999999" },
        { "at least 1", "verify --text - --against activation=gelu --tokens 0" },
        { "needs the parameter beta", "verify --text - --against activation=situ" },
        { "threads", "experts --text - --threads 0" },
        { "this device has ", "experts --text - --expert-backend magic" },
    };

    [Theory, MemberData(nameof(WrongLines))]
    public void A_wrong_line_is_refused_and_says_what_is_known(string says, string line) => Refused(says, Story, line.Split(' '));

    [Fact]
    public void A_text_that_cannot_be_computed_is_refused()
    {
        Refused("0 tokens", "", "verify", "--text", "-", "--against", "activation=gelu");
        folder.Write("latin1.txt", [0x48, 0xe9, 0x20]);
        Refused("UTF-8", "", "experts", "--text", folder["latin1.txt"]);
        Refused("dense model", Story, "experts", Dense(), "--text", "-");
        using ModelCopy small = new(); // its vocabulary is smaller than its tokenizer's
        Refused("outside the model's vocabulary", Story, "experts", small.Path, "--text", "-");
        Refused("outside the model's vocabulary", Story, "verify", small.Path, "--text", "-", "--against", "activation=gelu");
    }

    [Fact]
    public void A_long_axis_keeps_its_labels_apart()
    {
        LogAxis axis = new([1e-11, 1, 0], top: 0, bottom: 120);
        Assert.Equal((0.0, 120.0, 120.0), (axis.Y(1), axis.Y(1e-12), axis.Y(0)));
        Assert.InRange(axis.Ticks().Count(), 4, 7);
        Assert.Equal(60, new LogAxis([1e-2, 1], 0, 120).Y(0.1), 1e-9);
        Assert.Equal(120, new LogAxis([0, 0], 0, 120).Y(0));
    }

    /// <summary>A dense golden model with a tokenizer beside it.</summary>
    private string Dense()
    {
        foreach (string file in Directory.GetFiles(Goldens.Case("dense_min"))) folder.Write(Path.GetFileName(file), File.ReadAllBytes(file));
        folder.Write("tokenizer.json", File.ReadAllBytes(Path.Combine(Goldens.TinyModel, "tokenizer.json")));
        return folder.Path;
    }

    private static JsonNode Json(string input, params string[] arguments)
    {
        CommandResult result = LapidaryProcess.RunWithInput(input, arguments);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        return JsonNode.Parse(result.Output)!;
    }

    private static void Refused(string says, string input, params string[] arguments)
    {
        CommandResult result = LapidaryProcess.RunWithInput(input, arguments);
        Assert.True(result.ExitCode is 1 or 2, $"exit code {result.ExitCode}: {result.Output} {result.Error}");
        Assert.Empty(result.Output);
        string line = Assert.Single(result.ErrorLines);
        Assert.StartsWith("error: ", line);
        Assert.Contains(says, line, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Reads a page as XML and checks that it reaches for nothing outside itself.</summary>
    private static XElement Parse(string page)
    {
        using XmlReader reader = XmlReader.Create(new StringReader(page), new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore });
        XElement html = XElement.Load(reader);
        Assert.DoesNotContain(html.Descendants(), e => e.Name.LocalName is "script" or "link" or "img" or "iframe" or "object" or "image" or "use");
        Assert.DoesNotContain(html.Descendants().Attributes(), a => a.Name.LocalName is "src" or "href" or "style" || a.Name.LocalName.StartsWith("on", StringComparison.Ordinal));
        Assert.All(html.Descendants("style"), style => Assert.DoesNotContain("url(", style.Value, StringComparison.Ordinal));
        return html;
    }
}
