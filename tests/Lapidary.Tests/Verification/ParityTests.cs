using Lapidary.Cpu;
using Lapidary.Models;
using Lapidary.Tests.Models;
using Lapidary.Verification;

namespace Lapidary.Tests.Verification;

/// <summary>Every golden case in every backend, and every fault noticed in every case it fits.</summary>
public sealed class ParityTests : IDisposable
{
    private readonly CpuKernels kernels = new();

    public void Dispose() => kernels.Dispose();

    public static TheoryData<string, string> CasesAndBackends()
    {
        TheoryData<string, string> data = [];
        foreach (string name in Goldens.Cases)
            foreach (string backend in (string[])["grouped", "reference"]) data.Add(name, backend);
        return data;
    }

    public static TheoryData<string> Cases() => [.. Goldens.Cases];

    public static TheoryData<string, string> CasesAndFaults()
    {
        TheoryData<string, string> data = [];
        foreach (string name in Goldens.Cases)
            foreach (Fault fault in Fault.All) data.Add(name, fault.Name);
        return data;
    }

    [Theory, MemberData(nameof(CasesAndBackends))]
    public void Matches_HuggingFace(string name, string backend)
        => AssertOk(Parity.Run(Goldens.Case(name), kernels, new ParityOptions { ExpertBackend = backend }));

    [Theory, MemberData(nameof(Cases))]
    public void Reads_the_configuration_as_transformers_saves_it(string name)
    {
        if (!File.Exists(Path.Combine(Goldens.Case(name), "config.hf_saved.json"))) return; // the wrapped case has only one spelling
        AssertOk(Parity.Run(Goldens.Case(name), kernels, new ParityOptions { ConfigFile = "config.hf_saved.json" }));
    }

    [Theory, MemberData(nameof(Cases))]
    public void Computes_the_same_in_chunks_longer_and_shorter_than_the_window(string name)
    {
        foreach (int step in (int[])[1, 3, 11])
            AssertOk(Parity.Run(Goldens.Case(name), kernels, new ParityOptions { MaxStepTokens = step }));
    }

    [Theory, MemberData(nameof(Cases))]
    public void Runs_on_a_device_whose_memory_the_host_cannot_read(string name)
    {
        using Float64Device device = new();
        AssertOk(Parity.Run(Goldens.Case(name), device, new ParityOptions()));
    }

    [Theory, MemberData(nameof(CasesAndFaults))]
    public void Notices_every_fault(string name, string faultName)
    {
        Fault fault = Fault.Parse(faultName);
        ParityReport report = Parity.Run(Goldens.Case(name), kernels, new ParityOptions { Fault = fault });
        Assert.False(report.Ok, $"{faultName} went unnoticed in {name}");
        Assert.Equal(fault.Inapplicable(Gemma4ConfigReader.Load(Goldens.Case(name))) is not null, report.Problem is not null);
        if (report.Problem is null) Assert.Contains(report.Rows, row => row.Scaled > 2 * row.Tolerance);
    }

    [Fact]
    public void Lists_the_known_faults_when_one_is_unknown()
        => Assert.Contains("erf, silu, swap-halves", Assert.Throws<RequestException>(() => Fault.Parse("gelu")).Message, StringComparison.Ordinal);

    [Fact]
    public void Matches_the_trained_model_in_every_tensor_and_token()
        => AssertOk(Parity.Run(Goldens.TinyModel, kernels, new ParityOptions()));

    private static void AssertOk(ParityReport report)
    {
        Assert.Null(report.Problem);
        Assert.NotEmpty(report.Rows);
        Assert.All(report.Rows, row => Assert.True(row.Ok, row.ToString()));
        Assert.Equal(report.Positions, report.ArgmaxAgreed);
    }
}
