using System.Globalization;
using System.Net;
using System.Text;

namespace Lapidary.Cli.Reports;

/// <summary>A report as one HTML file that needs nothing else: no script, no style, no picture from outside. Also well-formed XML.</summary>
internal sealed class Page
{
    private const string Style = """
        :root { color-scheme: light dark; --ink: #1c2330; --soft: #5c6675; --line: #d5dae1; --back: #fff; --hot: #c2410c; --cool: #1d4ed8; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa4b2; --line: #374151; --back: #11161d; --hot: #fb923c; --cool: #7aa2ff; } }
        body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
        h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2.2rem; } p { max-width: 46rem; overflow-wrap: anywhere; }
        table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; white-space: pre-wrap; }
        th { font-weight: 600; color: var(--soft); } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
        svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
        .axis { stroke: var(--line); } .a { stroke: var(--cool); fill: none; } .b { stroke: var(--hot); fill: none; }
        .dot, .cell, .less { fill: var(--cool); } .flip, .more { fill: var(--hot); } .frame { fill: none; stroke: var(--line); }
        """;

    private readonly string title;
    private readonly StringBuilder body = new();

    public Page(string title)
    {
        this.title = title;
        Element("h1", title);
    }

    public Page Heading(string text) => Element("h2", text);

    public Page Paragraph(string text) => Element("p", text);

    /// <param name="header">Column names; a name that starts with '#' is of numbers, to the right.</param>
    public Page Table(IReadOnlyList<string> header, IEnumerable<IReadOnlyList<string>> rows)
    {
        body.Append("<table><thead><tr>");
        foreach (string name in header) Cell("th", name, name.TrimStart('#'));
        body.Append("</tr></thead><tbody>\n");
        foreach (IReadOnlyList<string> row in rows)
        {
            body.Append("<tr>");
            for (int i = 0; i < header.Count; i++) Cell("td", header[i], row[i]);
            body.Append("</tr>\n");
        }
        body.Append("</tbody></table>\n");
        return this;

        void Cell(string tag, string name, string text)
            => body.Append(CultureInfo.InvariantCulture, $"<{tag}{(name.StartsWith('#') ? " class=\"n\"" : "")}>{Text(text)}</{tag}>");
    }

    public Page Picture(Svg picture)
    {
        body.Append(picture).Append('\n');
        return this;
    }

    public override string ToString() => $"""
        <!DOCTYPE html>
        <html lang="en">
        <head><meta charset="utf-8"/><meta name="viewport" content="width=device-width, initial-scale=1"/><title>{Text(title)}</title><style>
        {Style}
        </style></head>
        <body>
        {body}</body>
        </html>

        """;

    /// <summary>Text made safe for markup: escaped, and characters that XML does not allow shown as U+FFFD.</summary>
    public static string Text(string text)
    {
        StringBuilder safe = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool allowed = !Rune.IsControl(rune) || rune.Value is '\n' or '\t';
            safe.Append(allowed && rune.Value is not (0xFFFE or 0xFFFF) ? rune.ToString() : Rune.ReplacementChar.ToString());
        }
        return WebUtility.HtmlEncode(safe.ToString());
    }

    /// <summary>Looks before the work that fills a page whether it can be written.</summary>
    /// <exception cref="RequestException">Its folder does not exist.</exception>
    public static void RequireFolder(string? file)
    {
        if (file is not null && Path.GetDirectoryName(Path.GetFullPath(file)) is { } folder && !Directory.Exists(folder))
            throw new RequestException($"--html {file}: there is no folder {folder}");
    }

    /// <exception cref="RequestException">The file cannot be written.</exception>
    public void Write(string file)
    {
        try
        {
            File.WriteAllText(file, ToString(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new RequestException($"--html {file}: {exception.Message}", exception);
        }
    }

    private Page Element(string tag, string text)
    {
        body.Append(CultureInfo.InvariantCulture, $"<{tag}>{Text(text)}</{tag}>\n");
        return this;
    }
}
