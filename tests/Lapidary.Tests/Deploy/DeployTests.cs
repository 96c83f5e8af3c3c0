using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Lapidary.Cli;

namespace Lapidary.Tests.Deploy;

/// <summary>The files of deploy/: manifests against Kubernetes' types, the Dockerfile, the unit by systemd itself, settings by what serve knows.</summary>
public sealed partial class DeployTests : IDisposable
{
    private static readonly string Folder = Path.Combine(Goldens.Repository, "deploy");
    private static readonly string Linter = Path.Combine(Goldens.Repository, "tests/deploy-lint");

    private readonly DirectoryInfo copy = Directory.CreateTempSubdirectory("lapidary-deploy");

    public void Dispose() => copy.Delete(recursive: true);

    [Fact]
    public void Manifests_and_Dockerfile_are_valid() => Assert.Equal("", Lint(Folder));

    /// <summary>The control: each damage gets its complaint.</summary>
    [Fact]
    public void Damaged_manifests_are_noticed()
    {
        foreach (string file in Directory.GetFiles(Folder, "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(copy.FullName, Path.GetRelativePath(Folder, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
        Damage("kubernetes/service.yaml", "port: 80", "port: eighty");
        Damage("kubernetes/deployment.yaml", "containerPort: 8000", "containerPorts: 8000");
        Damage("kubernetes/deployment.yaml", "name: tmp\n          emptyDir", "name: temp\n          emptyDir");
        Damage("kubernetes/deployment.yaml", "terminationGracePeriodSeconds: 80", "terminationGracePeriodSeconds: 60");
        Damage("kubernetes/deployment.yaml", "enableServiceLinks: false", "enableServiceLinks: true");
        Damage("kubernetes/service.yaml", "targetPort: http", "targetPort: htpp");
        Damage("kubernetes/networkpolicy.yaml", "      app.kubernetes.io/name: lapidary", "      app: lapidary");
        Damage("kubernetes/poddisruptionbudget.yaml", "spec:", "spec:\nspec:");
        Damage("kubernetes/kustomization.yaml", "  - service.yaml", "  - services.yaml");
        Damage("kubernetes/inference-gateway/inferencepool.yaml", "targetPorts", "targetPort");
        Damage("kubernetes/inference-gateway/httproute.yaml", "name: lapidary\n      #", "name: lapidar\n      #");
        Damage("Dockerfile", "EXPOSE 8000", "EXPOSES 8000");
        string faults = Lint(copy.FullName);
        foreach (string expected in (string[])[
            "service.yaml: Type 'string' is not assignable to type 'number'", "'\"containerPorts\"' does not exist in type 'IContainerPort'",
            "deployment.yaml: there is no volume tmp", "deployment.yaml: terminationGracePeriodSeconds leaves no time to drain for 60 s", "deployment.yaml: enableServiceLinks is not false", "service.yaml: no container has port htpp",
            "networkpolicy.yaml: the selector selects no pods", "poddisruptionbudget.yaml: Map keys must be unique", "kustomization.yaml: there is no services.yaml", "kustomization.yaml: service.yaml is not listed",
            "inferencepool.yaml: ", "'\"targetPort\"' does not exist in type", "httproute.yaml: there is no InferencePool lapidar", "Dockerfile: line ", "Unknown instruction: EXPOSES"])
            Assert.Contains(expected, faults, StringComparison.Ordinal);
    }

    [Fact]
    public void Systemd_takes_the_unit() => Assert.Equal("", VerifyUnit(Unit()));

    [Fact]
    public void A_damaged_unit_is_noticed()
    {
        Assert.Contains("RestartSecs", VerifyUnit(Unit().Replace("RestartSec=", "RestartSecs=", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Contains("execs", VerifyUnit(Unit().Replace("Type=exec", "Type=execs", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public void Settings_are_options_of_serve()
    {
        Command serve = new("serve");
        new ServeOptions().AddTo(serve);
        string[] known = [.. serve.Options.Select(SettingVariables.NameOf), "LAPIDARY_NAME"];
        string[] used = [.. Directory.GetFiles(Folder, "*", SearchOption.AllDirectories).SelectMany(file => Variable().Matches(File.ReadAllText(file)).Select(m => m.Value)).Distinct()];
        Assert.Empty(used.Except(known));
        Assert.Contains("LAPIDARY_SHUTDOWN_TIMEOUT", used);
        Assert.DoesNotContain("LAPIDARY_SHUTDOWN_TIME", known);
    }

    [Fact]
    public void Systemd_waits_longer_than_the_server_drains()
        => Assert.True(Number(Unit(), "TimeoutStopSec") >= Number(Unit(), "LAPIDARY_SHUTDOWN_TIMEOUT") + 5);

    [Fact]
    public void The_image_is_built_from_files_that_are_there()
    {
        string[] sent = [.. File.ReadAllLines(Path.Combine(Folder, "Dockerfile.dockerignore")).Where(line => line.StartsWith('!')).Select(line => line[1..])];
        Assert.All(sent, path => Assert.True(Path.Exists(Path.Combine(Goldens.Repository, path)), path));
        // What the build reads from the root: without .editorconfig, other rules would be errors.
        foreach (string needed in (string[])["src", "models", ".editorconfig", "global.json", "nuget.config", "Directory.Build.props", "Directory.Packages.props"])
            Assert.Contains(needed, sent);
        Assert.True(Directory.Exists(Path.Combine(Goldens.Repository, "models/gemma4-tiny")));
    }

    private static string Unit() => File.ReadAllText(Path.Combine(Folder, "systemd/lapidary.service"));

    private static double Number(string text, string name)
        => double.Parse(Regex.Match(text, $@"\b{name}=(\d+)").Groups[1].Value, CultureInfo.InvariantCulture);

    private void Damage(string file, string old, string with)
    {
        string path = Path.Combine(copy.FullName, file), text = File.ReadAllText(path);
        Assert.Contains(old, text, StringComparison.Ordinal);
        File.WriteAllText(path, text.Replace(old, with, StringComparison.Ordinal));
    }

    private static string Lint(string folder)
    {
        Require(Directory.Exists(Path.Combine(Linter, "node_modules/typescript")), "needs node packages: run npm install in tests/deploy-lint");
        return Run("node", [Path.Combine(Linter, "lint.mjs"), folder]);
    }

    /// <summary>What systemd has to say of the unit, with a program that exists on this machine.</summary>
    private string VerifyUnit(string unit)
    {
        Require(OperatingSystem.IsLinux() && File.Exists("/usr/bin/systemd-analyze"), "needs systemd-analyze (Debian package systemd)");
        string file = Path.Combine(copy.FullName, "lapidary.service");
        File.WriteAllText(file, unit.Replace("/opt/lapidary/lapidary", "/bin/true", StringComparison.Ordinal));
        return string.Join('\n', Run("/usr/bin/systemd-analyze", ["verify", "--man=no", "--recursive-errors=no", file]).Split('\n').Where(line => line.Contains("lapidary.service", StringComparison.Ordinal)));
    }

    private static void Require(bool present, string tool)
    {
        if (Environment.GetEnvironmentVariable("LAPIDARY_REQUIRE_TOOLS") == "1") Assert.True(present, tool);
        Assert.SkipUnless(present, tool);
    }

    private static string Run(string program, string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            Task<string> error = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return output + error.Result;
        }
        catch (Win32Exception)
        {
            Require(present: false, $"needs {program}");
            throw;
        }
    }

    [GeneratedRegex("LAPIDARY_[A-Z_]+[A-Z]")]
    private static partial Regex Variable();
}
