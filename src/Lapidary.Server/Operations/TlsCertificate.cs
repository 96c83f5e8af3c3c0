using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Lapidary.Server.Operations;

/// <summary>The server's certificate with its key, and the certificates between it and the root.</summary>
internal sealed record TlsCertificate(X509Certificate2 Certificate, X509Certificate2Collection Chain)
{
    /// <summary>From PEM files, or a PKCS #12 file (.pfx, .p12) with certificate and key.</summary>
    /// <returns>Null when no certificate is configured.</returns>
    /// <exception cref="ConfigException">It cannot be read or used, or is not valid today; the message says why.</exception>
    public static TlsCertificate? Load(ServerOptions options, DateTimeOffset now)
    {
        if (options.TlsCertificateFile is not { } file)
            return options.TlsKeyFile is null && options.TlsKeyPassword is null ? null : throw new ConfigException("--ssl-keyfile and --ssl-keyfile-password need a certificate, --ssl-certfile");
        TlsCertificate loaded;
        bool isPem = true;
        try
        {
            isPem = IsPem(file);
            loaded = isPem ? FromPem(file, options) : FromPkcs12(file, options.TlsKeyPassword);
        }
        catch (Exception exception) when (exception is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            string key = options.TlsKeyFile is { } keyFile ? $" with the key {keyFile}" : "", password = options.TlsKeyPassword is null ? "" : " with the password given";
            string form = isPem ? "" : "no \"-----BEGIN\" in it, so it was read as PKCS #12: ";
            throw new ConfigException($"the certificate {file} cannot be used{key}{password}: {form}{MessageText.OneLine(exception.Message)}", exception);
        }
        X509Certificate2 certificate = loaded.Certificate;
        if (now > certificate.NotAfter) throw new ConfigException($"the certificate {file} was valid until {certificate.NotAfter.ToUniversalTime():u} and has expired; renew it");
        if (now < certificate.NotBefore) throw new ConfigException($"the certificate {file} is not valid before {certificate.NotBefore.ToUniversalTime():u}; check this machine's clock");
        return loaded;
    }

    private static bool IsPem(string file) => File.ReadAllBytes(file).AsSpan().IndexOf("-----BEGIN "u8) >= 0;

    private static TlsCertificate FromPem(string file, ServerOptions options)
    {
        X509Certificate2 certificate = options.TlsKeyPassword is { } password
            ? X509Certificate2.CreateFromEncryptedPemFile(file, password, options.TlsKeyFile)
            : X509Certificate2.CreateFromPemFile(file, options.TlsKeyFile);
        X509Certificate2Collection chain = [];
        chain.ImportFromPemFile(file);
        return new TlsCertificate(certificate, [.. chain.Where(other => other.Thumbprint != certificate.Thumbprint)]);
    }

    private static TlsCertificate FromPkcs12(string file, string? password)
    {
        X509Certificate2Collection all = X509CertificateLoader.LoadPkcs12CollectionFromFile(file, password);
        X509Certificate2 certificate = all.FirstOrDefault(one => one.HasPrivateKey) ?? throw new CryptographicException("it holds no private key");
        return new TlsCertificate(certificate, [.. all.Where(other => other != certificate)]);
    }
}
