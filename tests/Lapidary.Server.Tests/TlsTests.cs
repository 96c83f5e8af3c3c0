using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Lapidary.Server.Tests;

/// <summary>HTTPS with certificates made here: in PEM with the key beside or inside, encrypted or not, in PKCS #12, and ones that are no good.</summary>
public sealed class TlsTests : IDisposable
{
    private const string Password = "correct horse";

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("lapidary-");
    private readonly ECDsa authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256), key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 authority, middle;

    public TlsTests()
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        CertificateRequest root = new("CN=root", authorityKey, HashAlgorithmName.SHA256);
        root.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        authority = root.CreateSelfSigned(now.AddDays(-10), now.AddDays(10));
        using ECDsa middleKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest between = new("CN=between", middleKey, HashAlgorithmName.SHA256);
        between.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using X509Certificate2 signed = between.Create(authority, now.AddDays(-9), now.AddDays(9), [1]);
        middle = signed.CopyWithPrivateKey(middleKey);
    }

    public void Dispose()
    {
        authority.Dispose();
        middle.Dispose();
        authorityKey.Dispose();
        key.Dispose();
        folder.Delete(recursive: true);
    }

    private X509Certificate2 Leaf(int from = -5, int to = 5)
    {
        CertificateRequest request = new("CN=localhost", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddIpAddress(System.Net.IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        return request.Create(middle, DateTimeOffset.UtcNow.AddDays(from), DateTimeOffset.UtcNow.AddDays(to), [2]);
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(folder.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }

    private ServerOptions Options(string form)
    {
        using X509Certificate2 leaf = Leaf();
        string chain = leaf.ExportCertificatePem() + "\n" + middle.ExportCertificatePem() + "\n", plain = key.ExportPkcs8PrivateKeyPem();
        string encrypted = key.ExportEncryptedPkcs8PrivateKeyPem(Password, new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000));
        ServerOptions options = new() { Port = 0, ServedModelNames = ["m"], LogLevel = LogLevel.None };
        if (form == "one file") return options with { TlsCertificateFile = Write("all.pem", chain + plain) };
        if (form == "key beside") return options with { TlsCertificateFile = Write("chain.pem", chain), TlsKeyFile = Write("key.pem", plain) };
        if (form == "encrypted key") return options with { TlsCertificateFile = Write("chain.pem", chain), TlsKeyFile = Write("key.pem", encrypted), TlsKeyPassword = Password };
        using X509Certificate2 withKey = leaf.CopyWithPrivateKey(key);
        string pfx = Path.Combine(folder.FullName, "all.pfx");
        X509Certificate2Collection both = [X509CertificateLoader.LoadCertificate(middle.RawData), withKey];
        File.WriteAllBytes(pfx, both.Export(X509ContentType.Pkcs12, form == "pfx" ? Password : null)!);
        return options with { TlsCertificateFile = pfx, TlsKeyPassword = form == "pfx" ? Password : null };
    }

    [Theory, InlineData("one file"), InlineData("key beside"), InlineData("encrypted key"), InlineData("pfx"), InlineData("pfx without password")]
    public async Task A_client_that_trusts_the_root_alone_is_served(string form)
    {
        await using LapidaryServer server = await LapidaryServer.StartAsync(Options(form));
        Assert.Equal("https", server.Address.Scheme);
        using HttpClient trusting = Client(server, authority);
        Answer answer = await trusting.Get("/health");
        Assert.Equal(200, answer.Status);
        // What the parser refuses has its body here, too.
        (await Answer.Of(await trusting.GetAsync(new Uri($"/{new string('a', 9000)}", UriKind.Relative), TestContext.Current.CancellationToken))).AssertError(414, null, "uri_too_long");
        using HttpClient strange = Client(server, middle);
        await Assert.ThrowsAsync<HttpRequestException>(() => strange.Get("/health"));
        using HttpClient plain = new() { BaseAddress = new UriBuilder(server.Address) { Scheme = "http" }.Uri };
        await Assert.ThrowsAsync<HttpRequestException>(() => plain.Get("/health"));
        await server.StopAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Trusts one certificate only; what lies between it and the server's the server has to send.</summary>
    private static HttpClient Client(LapidaryServer server, X509Certificate2 trusted) => new(new SocketsHttpHandler
    {
        SslOptions = new SslClientAuthenticationOptions
        {
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
            {
                if ((errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != 0 || trusted.Subject != "CN=root") return false;
                using X509Chain own = new();
                own.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
                own.ChainPolicy.CustomTrustStore.Add(trusted);
                own.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
                foreach (X509ChainElement sent in chain!.ChainElements) own.ChainPolicy.ExtraStore.Add(sent.Certificate);
                return own.Build((X509Certificate2)certificate!) && own.ChainElements.Count == 3;
            },
        },
    })
    { BaseAddress = server.Address };

    public static TheoryData<string, string> Useless => new()
    {
        { "no such file", "Could not find" }, { "no certificate", "no \"-----BEGIN\" in it" }, { "another key", "cannot be used" }, { "no key", "cannot be used" }, { "wrong password", "with the password given" },
        { "wrong password of a pfx", "with the password given" }, { "expired", "has expired; renew it" }, { "of the future", "is not valid before" }, { "a key alone", "need a certificate" },
    };

    [Theory, MemberData(nameof(Useless))]
    public async Task A_certificate_that_cannot_be_used_is_refused_at_the_start(string what, string says)
    {
        ServerOptions good = Options(what.EndsWith("pfx", StringComparison.Ordinal) ? "pfx" : what == "wrong password" ? "encrypted key" : "key beside");
        using ECDsa other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 expired = Leaf(-7, -1), future = Leaf(1, 7);
        ServerOptions options = what switch
        {
            "no such file" => good with { TlsCertificateFile = "/nowhere/cert.pem" },
            "no certificate" => good with { TlsCertificateFile = Write("text.pem", "hello") },
            "another key" => good with { TlsKeyFile = Write("other.pem", other.ExportPkcs8PrivateKeyPem()) },
            "no key" => good with { TlsKeyFile = null },
            "expired" => good with { TlsCertificateFile = Write("expired.pem", expired.ExportCertificatePem()) },
            "of the future" => good with { TlsCertificateFile = Write("future.pem", future.ExportCertificatePem()) },
            "a key alone" => good with { TlsCertificateFile = null },
            _ => good with { TlsKeyPassword = "wrong" },
        };
        ConfigException refusal = await Assert.ThrowsAsync<ConfigException>(() => LapidaryServer.StartAsync(options));
        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
        Assert.DoesNotContain(Password, refusal.Message, StringComparison.Ordinal);
    }
}
