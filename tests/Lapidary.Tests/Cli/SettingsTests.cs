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
}
