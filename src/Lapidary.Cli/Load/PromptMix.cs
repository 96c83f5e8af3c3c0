namespace Lapidary.Cli.Load;

/// <summary>A prompt and the most tokens of its answer.</summary>
internal sealed record LoadPrompt(string Text, int OutputTokens);

/// <summary>
/// Prompts of random words, some of them after a prefix they share. Lengths are in tokens of the server, which
/// <see cref="TokenRate"/> tells.
/// </summary>
internal static class PromptMix
{
    private static readonly string[] Words = (
        "time year people way day man thing woman life child world school state family student group country problem hand part place case week company system program question work government number night point home water room mother area money story fact month lot right study book eye job word business issue side kind head house service friend father power hour game line end member law car city community name president team minute idea body information back parent face others level office door health person art war history party result change morning reason research girl guy moment air teacher force education "
        + "big small new old good long great little own other high different large next early young important few public bad same able run walk sit stand lose pay meet include continue set learn lead understand watch follow stop create speak read allow add spend grow open win offer remember love consider appear buy wait serve die send expect build stay fall cut reach kill remain").Split(' ');

    public static LoadPrompt[] Create(LoadPlan plan, TokenRate rate)
    {
        Random random = new(plan.Seed);
        string[] prefixes = [.. Enumerable.Range(0, plan.PrefixTokens > 0 ? plan.Prefixes : 0).Select(_ => Text(rate.Words(plan.PrefixTokens), random) + " ")];
        LoadPrompt[] prompts = new LoadPrompt[plan.Requests];
        for (int i = 0; i < prompts.Length; i++)
        {
            string prefix = prefixes.Length > 0 ? prefixes[random.Next(prefixes.Length)] : "";
            int input = Vary(plan.InputTokens, plan.RangeRatio, random), output = Vary(plan.OutputTokens, plan.RangeRatio, random);
            prompts[i] = new LoadPrompt(prefix + Text(Math.Max(1, rate.Words(input) - rate.OverheadWords), random), output);
        }
        return prompts;
    }

    /// <summary>Random words.</summary>
    public static string Text(int words, Random random) => string.Join(' ', Enumerable.Range(0, words).Select(_ => Words[random.Next(Words.Length)]));

    private static int Vary(int length, double ratio, Random random)
        => Math.Max(1, (int)Math.Round(length * (1 + ratio * (2 * random.NextDouble() - 1))));
}

/// <summary>How a server counts tokens: so many for each word, and so many for the template around a prompt.</summary>
internal sealed record TokenRate(double PerWord, double Overhead)
{
    /// <summary>For servers that do not tell their usage.</summary>
    public static readonly TokenRate Typical = new(1.1, 10);

    public int OverheadWords => (int)Math.Round(Overhead / PerWord);

    public int Words(int tokens) => Math.Max(1, (int)Math.Round(tokens / PerWord));

    /// <summary>From the tokens of a short and a long prompt.</summary>
    public static TokenRate Of((int Words, int Tokens) few, (int Words, int Tokens) many)
    {
        double perWord = (double)(many.Tokens - few.Tokens) / (many.Words - few.Words);
        return perWord > 0 ? new TokenRate(perWord, Math.Max(0, few.Tokens - few.Words * perWord)) : Typical;
    }
}
