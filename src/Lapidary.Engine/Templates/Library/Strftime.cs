using System.Globalization;
using System.Text;

namespace Lapidary.Templates.Library;

/// <summary>Dates in C's strftime notation, in the C locale.</summary>
internal static class Strftime
{
    public static string Format(DateTimeOffset time, string format)
    {
        StringBuilder text = new();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length) { text.Append(format[i]); continue; }
            char code = format[++i];
            // glibc: "-" drops the padding, as in "%-d".
            bool unpadded = code == '-' && i + 1 < format.Length;
            if (unpadded) code = format[++i];
            string field = Field(time, code) ?? (unpadded ? $"%-{code}" : $"%{code}");
            text.Append(unpadded ? field.TrimStart('0', ' ') is { Length: > 0 } rest ? rest : "0" : field);
        }
        return text.ToString();
    }

    private static string? Field(DateTimeOffset time, char code)
    {
        string Net(string format) => time.ToString(format, CultureInfo.InvariantCulture);
        int hour12 = (time.Hour + 11) % 12 + 1;
        return code switch
        {
            'Y' => Net("yyyy"),
            'y' => Net("yy"),
            'C' => (time.Year / 100).ToString("00", CultureInfo.InvariantCulture),
            'm' => Net("MM"),
            'B' => Net("MMMM"),
            'b' or 'h' => Net("MMM"),
            'd' => Net("dd"),
            'e' => $"{time.Day,2}",
            'j' => time.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
            'A' => Net("dddd"),
            'a' => Net("ddd"),
            'w' => ((int)time.DayOfWeek).ToString(CultureInfo.InvariantCulture),
            'u' => (((int)time.DayOfWeek + 6) % 7 + 1).ToString(CultureInfo.InvariantCulture),
            'H' => Net("HH"),
            'I' => hour12.ToString("00", CultureInfo.InvariantCulture),
            'k' => $"{time.Hour,2}",
            'l' => $"{hour12,2}",
            'M' => Net("mm"),
            'S' => Net("ss"),
            'f' => Net("ffffff"),
            'p' => Net("tt"),
            'P' => Net("tt").ToLowerInvariant(),
            'D' or 'x' => Net("MM/dd/yy"),
            'F' => Net("yyyy-MM-dd"),
            'T' or 'X' => Net("HH:mm:ss"),
            'R' => Net("HH:mm"),
            'c' => Net("ddd MMM ") + $"{time.Day,2}" + Net(" HH:mm:ss yyyy"),
            'r' => $"{hour12:00}{Net(":mm:ss tt")}",
            's' => time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
            // transformers formats a time without a zone, for which Python prints nothing.
            'z' or 'Z' => "",
            'n' => "\n",
            't' => "\t",
            '%' => "%",
            _ => null,
        };
    }
}
