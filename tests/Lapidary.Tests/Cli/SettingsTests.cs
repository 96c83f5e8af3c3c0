using System.CommandLine;
using Lapidary.Cli;

namespace Lapidary.Tests.Cli;

public sealed class SettingsTests
{
    [Theory]
    [InlineData("tcp://10.96.0.1:80", 8000)]
    [InlineData("udp://10.96.0.1:53", 8000)]
    [InlineData("8001", 8001)]
    public void An_address_that_Kubernetes_tells_is_no_setting(string value, int expected)
    {
        const string variable = "LAPIDARY_PORT_OF_SETTINGS_TESTS";
        Option<int> port = new("--port-of-settings-tests") { DefaultValueFactory = _ => 8000 };
        Environment.SetEnvironmentVariable(variable, value);
        try
        {
            Assert.Equal(expected, Settings.Of(new Command("serve") { port }.Parse([]), configFile: null).Get(port));
        }
        finally
        {
            Environment.SetEnvironmentVariable(variable, null);
        }
    }

    [Fact]
    public void Another_text_is_refused_by_name()
    {
        const string variable = "LAPIDARY_OTHER_PORT_OF_SETTINGS_TESTS";
        Option<int> port = new("--other-port-of-settings-tests");
        Environment.SetEnvironmentVariable(variable, "http://10.96.0.1:80");
        try
        {
            ConfigException refusal = Assert.Throws<ConfigException>(() => Settings.Of(new Command("serve") { port }.Parse([]), configFile: null));
            Assert.Contains("http://10.96.0.1:80", refusal.Message, StringComparison.Ordinal);
        }
        finally
        {
            Environment.SetEnvironmentVariable(variable, null);
        }
    }

    [Fact]
    public void A_file_may_hold_comments_and_the_command_line_wins_over_it()
    {
        Option<int> first = new("--first-of-settings-tests"), second = new("--second-of-settings-tests") { DefaultValueFactory = _ => 8000 };
        Option<string[]> names = new("--names-of-settings-tests");
        string file = Path.GetTempFileName();
        File.WriteAllText(file, """{ "first-of-settings-tests": 1, /* mine */ "second-of-settings-tests": 2, "names-of-settings-tests": ["a", "b",], }""");
        Settings settings = Settings.Of(new Command("serve") { first, second, names }.Parse(["--second-of-settings-tests", "3"]), file);
        Assert.Equal((1, 3), (settings.Get(first), settings.Get(second)));
        Assert.Equal(["a", "b"], settings.Get(names)!);
    }

    private static string[] Slips(params (string Name, string Value)[] environment)
    {
        Command serve = new("serve");
        new ServeOptions().AddTo(serve);
        return [.. SettingVariables.Slips(serve, environment.ToDictionary(variable => variable.Name, variable => variable.Value))];
    }

    [Theory]
    [InlineData("LAPIDARY_PROT", "did you mean LAPIDARY_PORT?")]
    [InlineData("LAPIDARY_API_KEYS", "did you mean LAPIDARY_API_KEY?")]
    [InlineData("LAPIDARY_MAXMODELLEN", "did you mean LAPIDARY_MAX_MODEL_LEN?")]
    [InlineData("lapidary_port", "did you mean LAPIDARY_PORT?")]
    [InlineData("LAPIDARY_SERVICE_HOTS", "see lapidary serve --help")]
    public void A_variable_that_is_nearly_a_setting_is_told_without_its_value(string name, string hint)
        => Assert.Equal([$"\"{name}\" is no setting of lapidary serve and has no effect; {hint}"], Slips((name, "secret-9000")));

    [Fact]
    public void What_is_a_setting_or_set_by_others_is_no_slip()
        => Assert.Empty(Slips(
            ("LAPIDARY_PORT", "tcp://10.96.0.1:80"), ("LAPIDARY_MODEL", "m"), ("LAPIDARY_CONFIG", "c"), ("LAPIDARY_MAX_LORAS", "2"),
            ("LAPIDARY_SERVICE_HOST", "10.96.0.1"), ("LAPIDARY_SERVICE_PORT", "80"), ("LAPIDARY_SERVICE_PORT_HTTP_API", "80"),
            ("LAPIDARY_PORT_8000_TCP", "tcp://10.96.0.1:8000"), ("LAPIDARY_PORT_8000_TCP_PROTO", "tcp"), ("LAPIDARY_PORT_8000_TCP_PORT", "8000"), ("LAPIDARY_PORT_53_UDP_ADDR", "10.96.0.1"),
            ("LAPIDARY_GPU_SERVICE_HOST", "10.96.0.2"), ("LAPIDARY_GPU_PORT", "tcp://10.96.0.2:80"), ("LAPIDARY_GPU_PORT_80_TCP_PORT", "80"),
            ("LAPIDARY_EMPTY", ""), ("LAPIDARYPORT", "1"), ("PATH", "/bin")));
}
