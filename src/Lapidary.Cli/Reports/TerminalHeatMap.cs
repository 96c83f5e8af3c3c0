using System.Globalization;
using System.Text;
using Lapidary.Verification;
using Spectre.Console;

namespace Lapidary.Cli.Reports;

/// <summary>Layers down, experts across, in shades: a character each, or one for several experts where the terminal is narrow.</summary>
internal static class TerminalHeatMap
{
    private const string Shades = " ·░▒▓█";
    private const int LabelWidth = 6;

    public static void Write(IReadOnlyList<LayerRouting> layers)
    {
        int experts = layers[0].Tokens.Count, perCell = (experts + Columns() - 1) / Columns();
        AnsiConsole.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"experts 0 to {experts - 1}{(perCell > 1 ? $", {perCell} to a character" : "")}; ' ' none, '{Shades[3]}' an even share, '{Shades[^1]}' five thirds of it or more"));
        foreach (LayerRouting layer in layers)
        {
            StringBuilder line = new(layer.Layer.ToString(CultureInfo.InvariantCulture).PadLeft(LabelWidth - 2) + "  ");
            double even = layer.Tokens.Average();
            for (int first = 0; first < experts; first += perCell)
                line.Append(Shade(layer.Tokens.Skip(first).Take(perCell).Average() / even));
            AnsiConsole.WriteLine(line.ToString());
        }
    }

    /// <param name="share">Of an even share.</param>
    private static char Shade(double share) => share == 0 ? Shades[0] : Shades[Math.Clamp((int)Math.Round(share * 3), 1, Shades.Length - 1)];

    private static int Columns() => Math.Max(8, AnsiConsole.Profile.Width - LabelWidth);
}
