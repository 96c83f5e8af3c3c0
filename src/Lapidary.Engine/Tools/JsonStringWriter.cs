using System.Globalization;
using System.Text;

namespace Lapidary.Tools;

/// <summary>Writes the inside of a JSON string character by character. Half a surrogate pair becomes U+FFFD.</summary>
internal struct JsonStringWriter
{
    private char high; // a first half that waits for its second

    public void Append(StringBuilder json, char c)
    {
        if (char.IsLowSurrogate(c) && high != 0)
        {
            json.Append(high).Append(c);
            high = '\0';
            return;
        }
        End(json);
        if (char.IsHighSurrogate(c)) high = c;
        else if (char.IsLowSurrogate(c)) json.Append('\uFFFD');
        else AppendWhole(json, c);
    }

    public void End(StringBuilder json)
    {
        if (high != 0) json.Append('\uFFFD');
        high = '\0';
    }

    private static void AppendWhole(StringBuilder json, char c)
    {
        switch (c)
        {
            case '"' or '\\':
                json.Append('\\').Append(c);
                break;
            case '\n':
                json.Append("\\n");
                break;
            case '\r':
                json.Append("\\r");
                break;
            case '\t':
                json.Append("\\t");
                break;
            case < ' ' or '\u007f':
                json.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
                break;
            default:
                json.Append(c);
                break;
        }
    }
}
