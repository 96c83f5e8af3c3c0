using System.Collections;
using System.CommandLine;
using System.Text.RegularExpressions;

namespace Lapidary.Cli;

/// <summary>Variables of the environment that are settings, and those that look like settings and are none.</summary>
internal static partial class SettingVariables
{
    private const string Prefix = "LAPIDARY_";

    /// <summary>The variable of an option: that of <c>--max-model-len</c> is LAPIDARY_MAX_MODEL_LEN.</summary>
    public static string NameOf(Option option) => Prefix + option.Name[2..].Replace('-', '_').ToUpperInvariant();

    /// <summary>Its values, or null where there is none. Empty is the same as not set, as containers' tools write it, but not where
    /// keys are expected: a server that has lost them must not let everybody in.</summary>
    /// <exception cref="ConfigException">It is set and holds no value.</exception>
    public static IReadOnlyList<string>? Read(Option option)
    {
        if (Environment.GetEnvironmentVariable(NameOf(option)) is not { } text || IsServiceLink(text)) return null;
        bool isList = option.Arity.MaximumNumberOfValues > 1;
        string[] values = isList ? text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) : [text];
        if (text.Length == 0 && option is not { Name: ServeOptions.ApiKeyName }) return null;
        return values.Length > 0 ? values : throw new ConfigException($"{NameOf(option)} is set and holds no value: {MessageText.Quote(text)}; unset it for none");
    }

    /// <summary>
    /// One line for each variable that begins like a setting of the command and is none, so that a slip of the pen is seen. It is no error:
    /// others may set such variables. Values stay untold, they may be keys.
    /// </summary>
    /// <param name="environment">Names and values, as <see cref="Environment.GetEnvironmentVariables()"/> gives them.</param>
    public static IEnumerable<string> Slips(Command command, IDictionary environment)
    {
        string[] known = [.. command.Options.Select(NameOf)];
        StringComparer sameName = OperatingSystem.IsWindows() ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal;
        return from name in environment.Keys.Cast<string>()
               where name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) && !known.Contains(name, sameName) && !NameOfServiceLink().IsMatch(name)
               where environment[name] is string { Length: > 0 } value && !IsServiceLink(value)
               orderby name
               select $"{MessageText.Quote(name)} is no setting of lapidary {command.Name} and has no effect; {Hint(name.ToUpperInvariant(), known, command)}";
    }

    private static string Hint(string name, string[] known, Command command)
    {
        string nearest = known.MinBy(other => Slips(name, other))!;
        return Slips(name, nearest) <= Math.Max(2, (name.Length - Prefix.Length) / 4) ? $"did you mean {nearest}?" : $"see lapidary {command.Name} --help";
    }

    /// <summary>Letters added, left out, replaced, or swapped with their neighbour between two names.</summary>
    private static int Slips(ReadOnlySpan<char> name, ReadOnlySpan<char> other)
    {
        int[,] slips = new int[name.Length + 1, other.Length + 1];
        for (int i = 0; i <= name.Length; i++)
            for (int j = 0; j <= other.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    slips[i, j] = i + j;
                    continue;
                }
                int replaced = slips[i - 1, j - 1] + (name[i - 1] == other[j - 1] ? 0 : 1);
                slips[i, j] = Math.Min(replaced, Math.Min(slips[i - 1, j], slips[i, j - 1]) + 1);
                if (i > 1 && j > 1 && name[i - 1] == other[j - 2] && name[i - 2] == other[j - 1]) slips[i, j] = Math.Min(slips[i, j], slips[i - 2, j - 2] + 1);
            }
        return slips[name.Length, other.Length];
    }

    /// <summary>Kubernetes tells every pod of a Service named lapidary in LAPIDARY_PORT=tcp://10.0.0.1:80, which is no wish for a port.</summary>
    private static bool IsServiceLink(string text) => Uri.TryCreate(text, UriKind.Absolute, out Uri? link) && link is { Scheme: "tcp" or "udp" or "sctp" };

    /// <summary>What else Kubernetes tells of Services lapidary and lapidary-*, and Docker of linked containers.</summary>
    [GeneratedRegex(@"^LAPIDARY_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$")]
    private static partial Regex NameOfServiceLink();
}
