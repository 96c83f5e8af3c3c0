using System.Text;
using System.Text.Json.Nodes;
using Lapidary.Templates;

namespace Lapidary.Tests.Templates;

/// <summary>Loading templates from folders, special tokens, requests, and the tiny model's goldens.</summary>
public sealed class ChatTemplateTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lapidary-template-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private void Write(string file, string text) => File.WriteAllText(Path.Combine(_folder, file), text);

    private static ChatRequest Request(string json) => ChatRequest.Parse(Encoding.UTF8.GetBytes(json));

    private static string Render(ChatTemplate template, string request)
        => template.Render(Request(request), cancellation: TestContext.Current.CancellationToken);

    private string Render(string request) => Render(ChatTemplate.Load(_folder), request);

    private static string? TinyModel()
    {
        string[] folders = [Path.Combine(Jinja.Root, "models", "gemma4-tiny"), Environment.GetEnvironmentVariable("LAPIDARY_TINY_MODEL") ?? ""];
        return folders.FirstOrDefault(folder => File.Exists(Path.Combine(folder, "golden.json")));
    }

    [Fact]
    public void Tiny_model_prompts_are_those_of_transformers()
    {
        if (TinyModel() is not { } folder)
        {
            Assert.Skip("the tiny model is not here: put it in models/gemma4-tiny or name its folder in LAPIDARY_TINY_MODEL");
            return;
        }
        ChatTemplate template = ChatTemplate.Load(folder);
        int rendered = 0;
        foreach (JsonNode? item in JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "golden.json")))!["cases"]!.AsArray())
        {
            // A request that is plain text is a completion: no template.
            if (item!["request"] is not JsonObject request) continue;
            // The goldens name template arguments beside the messages, as apply_chat_template takes them.
            JsonObject arguments = [];
            foreach (string name in request.Select(member => member.Key).Except(["messages", "tools"]).ToList())
            {
                arguments[name] = request[name]!.DeepClone();
                request.Remove(name);
            }
            request["chat_template_kwargs"] = arguments;
            Assert.Equal(item["prompt"]!.GetValue<string>(), Render(template, request.ToJsonString()));
            rendered++;
        }
        Assert.True(rendered >= 10);
    }

    [Fact]
    public void The_jinja_file_comes_first_then_json_then_the_tokenizer_config()
    {
        const string Messages = """{"messages":[]}""";
        Write("tokenizer_config.json", """{"chat_template": "config {{ bos_token }}", "bos_token": "<b>"}""");
        Assert.Equal("config <b>", Render(Messages));
        Write("chat_template.json", """{"chat_template": "json {{ bos_token }}"}""");
        Assert.Equal("json <b>", Render(Messages));
        Write("chat_template.jinja", "jinja {{ bos_token }}");
        Assert.Equal("jinja <b>", Render(Messages));
        Assert.Equal("jinja <b>", Render(ChatTemplate.Load(Path.Combine(_folder, "chat_template.jinja")), Messages));
    }

    [Fact]
    public void Named_templates_are_chosen_by_the_presence_of_tools()
    {
        Write("tokenizer_config.json", """{"chat_template": [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools {{ tools|length }}"}]}""");
        Assert.Equal("plain", Render("""{"messages":[]}"""));
        Assert.Equal("tools 1", Render("""{"messages":[],"tools":[{}]}"""));
    }

    [Fact]
    public void Special_tokens_come_as_strings_objects_and_extra_ones()
    {
        Write("tokenizer_config.json", """
            {"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "pad_token": null, "add_bos_token": true,
             "added_tokens_decoder": {"1": {"content": "ignored"}}, "extra_special_tokens": {"image_token": "<img>"},
             "additional_special_tokens": ["<a>", {"content": "<b>"}]}
            """);
        Write("chat_template.jinja", "{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}{{ add_bos_token is defined }}{{ image_token }}{{ additional_special_tokens }}");
        Assert.Equal("<s></s>FalseFalse<img>['<a>', '<b>']", Render("""{"messages":[]}"""));
    }

    [Fact]
    public void A_request_becomes_the_variables_transformers_passes()
    {
        Write("chat_template.jinja", "{{ messages|tojson }} {{ tools }} {{ documents }} {{ add_generation_prompt }} {{ enable_thinking }}");
        Assert.Equal("[] None None True ", Render("""{"messages":[]}"""));
        Assert.Equal("[] [] [{'a': 1}] False True",
            Render("""{"messages":[],"tools":[],"documents":[{"a":1}],"add_generation_prompt":false,"chat_template_kwargs":{"enable_thinking":true}}"""));
    }

    [Fact]
    public void Tool_call_arguments_given_as_text_are_parsed()
    {
        Write("chat_template.jinja", "{% for c in messages[0].tool_calls %}{{ c.function.arguments }};{% endfor %}");
        const string Request = """{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":ARGUMENTS}}]}]}""";
        Assert.Equal("{'b': 1, 'a': 1.0};", Render(Request.Replace("ARGUMENTS", "\"{\\\"b\\\": 1, \\\"a\\\": 1.0}\"", StringComparison.Ordinal)));
        Assert.Equal("{'x': None};", Render(Request.Replace("ARGUMENTS", "{\"x\":null}", StringComparison.Ordinal)));
        Assert.Equal("{};", Render(Request.Replace("ARGUMENTS", "\"\"", StringComparison.Ordinal)));
        RequestException error = Assert.Throws<RequestException>(() => Render(Request.Replace("ARGUMENTS", "\"{oops\"", StringComparison.Ordinal)));
        Assert.StartsWith("messages[0].tool_calls[0].function.arguments must be JSON", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{{ m.content }}", "  So far, ", "<a>  So far, ")]
    [InlineData("{{ m.content|trim }}", "  So far, ", "<a>So far,")]
    [InlineData("{{ m.content }}", "So far", "<a>So far")]
    public void A_continued_message_ends_the_prompt(string content, string text, string expected)
    {
        Write("chat_template.jinja", "{% for m in messages %}<a>" + content + "</a>{% endfor %}{% if add_generation_prompt %}<next>{% endif %}");
        Assert.Equal(expected, Render($$"""{"messages":[{"role":"assistant","content":"{{text}}"}],"continue_final_message":true}"""));
    }

    [Fact]
    public void A_continued_message_may_have_parts()
    {
        Write("chat_template.jinja", "{% for p in messages[0].content %}{{ p.text }}|{% endfor %}");
        Assert.Equal("one|two", Render("""{"messages":[{"content":[{"text":"one"},{"text":"two"}]}],"continue_final_message":true}"""));
    }

    [Theory]
    [InlineData("[]", "a chat request is a JSON object, found list")]
    [InlineData("{}", "the request has no \"messages\"")]
    [InlineData("""{"messages":"hi"}""", "\"messages\" must be a list, found str")]
    [InlineData("""{"messages":[],"add_generation_prompt":1}""", "\"add_generation_prompt\" must be true or false, found int")]
    [InlineData("""{"messages":[],"continue_final_message":true}""", "continue_final_message is set, but the final message has no content to continue")]
    [InlineData("""{"messages":[{"content":"x"}],"continue_final_message":true,"add_generation_prompt":true}""", "continue_final_message and add_generation_prompt exclude each other: one goes on with the last message, the other begins a new one")]
    [InlineData("""{"messages":[""", "the request is not valid JSON")]
    [InlineData("""{"messages":["\ud800"]}""", "the request is a JSON string holds half a surrogate pair")]
    public void A_malformed_request_says_what_is_wrong(string request, string message)
    {
        Write("chat_template.jinja", "{{ messages[0].content }}");
        Assert.StartsWith(message, Assert.Throws<RequestException>(() => Render(request)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tokenizer_config.json", "{", "tokenizer_config.json is not valid JSON")]
    [InlineData("tokenizer_config.json", "[]", "tokenizer_config.json: expected a JSON object")]
    [InlineData("tokenizer_config.json", """{"chat_template": 5}""", "tokenizer_config.json: \"chat_template\" must be a string or a list, found int")]
    [InlineData("tokenizer_config.json", """{"chat_template": [{"name": "x"}]}""", "tokenizer_config.json: each entry of \"chat_template\"")]
    [InlineData("tokenizer_config.json", """{"chat_template": [{"name": "x", "template": ""}]}""", "tokenizer_config.json has templates named x, but none named default")]
    [InlineData("chat_template.jinja", "{{ oops", "chat_template.jinja line 1: ")]
    [InlineData("chat_template.jinja", "a\n{{ 1|foo }}", "chat_template.jinja line 2: unknown filter \"foo\" (known: abs, attr, ")]
    public void A_malformed_template_file_says_what_is_wrong(string file, string text, string message)
    {
        Write(file, text);
        Assert.StartsWith(message, Assert.Throws<TemplateException>(() => ChatTemplate.Load(_folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_template_says_where_it_was_looked_for()
    {
        Assert.Contains("has no chat template", Assert.Throws<TemplateException>(() => ChatTemplate.Load(_folder)).Message, StringComparison.Ordinal);
        Assert.Contains("no such folder", Assert.Throws<TemplateException>(() => ChatTemplate.Load(Path.Combine(_folder, "gone"))).Message, StringComparison.Ordinal);
    }
}
