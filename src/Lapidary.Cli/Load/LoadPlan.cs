namespace Lapidary.Cli.Load;

internal enum LoadEndpoint
{
    Chat,
    Completions,
}

/// <summary>What a load test sends, where, and how fast.</summary>
internal sealed record LoadPlan
{
    public required Uri BaseUrl { get; init; }

    /// <summary>Null for the first that the server lists.</summary>
    public string? Model { get; init; }

    public LoadEndpoint Endpoint { get; init; }
    public string? ApiKey { get; init; }
    public required int Requests { get; init; }

    /// <summary>Requests per second, at random times; null to send as soon as <see cref="MaxConcurrency"/> allows.</summary>
    public double? RequestRate { get; init; }

    /// <summary>How evenly they come; see <see cref="Arrivals"/>.</summary>
    public double Burstiness { get; init; } = 1;

    /// <summary>Most requests at a time; null for any number.</summary>
    public int? MaxConcurrency { get; init; }

    /// <summary>Tokens of each prompt after its shared prefix.</summary>
    public required int InputTokens { get; init; }

    /// <summary>Most tokens of each answer.</summary>
    public required int OutputTokens { get; init; }

    /// <summary>Lengths vary evenly by this part up and down, 0 to 1.</summary>
    public double RangeRatio { get; init; }

    /// <summary>Tokens that prompts begin with in common; 0 for prompts without anything in common.</summary>
    public int PrefixTokens { get; init; }

    /// <summary>How many different prefixes there are.</summary>
    public int Prefixes { get; init; } = 1;

    public double Temperature { get; init; }

    /// <summary>Asks for answers of full length; not every server knows ignore_eos.</summary>
    public bool IgnoreEos { get; init; }

    public int Seed { get; init; }
    public required TimeSpan Timeout { get; init; }

    /// <summary>Limits that a good answer keeps.</summary>
    public Goodput Goodput { get; init; } = new(null, null, null);
}

/// <summary>Service levels in milliseconds; null where there is none.</summary>
internal sealed record Goodput(double? Ttft, double? Tpot, double? E2el)
{
    public bool IsSet => Ttft is not null || Tpot is not null || E2el is not null;

    /// <summary>Reads <c>ttft:200,tpot:50,e2el:5000</c>.</summary>
    /// <exception cref="RequestException">Another name, or no number.</exception>
    public static Goodput Parse(string? text)
    {
        Goodput limits = new(null, null, null);
        foreach (string part in text?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [])
        {
            string[] pair = part.Split(':');
            bool isNumber = pair.Length == 2 && double.TryParse(pair[1], System.Globalization.CultureInfo.InvariantCulture, out _);
            double limit = isNumber ? double.Parse(pair[1], System.Globalization.CultureInfo.InvariantCulture) : 0;
            if (!isNumber || !(limit > 0)) throw Wrong(part);
            limits = pair[0] switch
            {
                "ttft" => limits with { Ttft = limit },
                "tpot" => limits with { Tpot = limit },
                "e2el" => limits with { E2el = limit },
                _ => throw Wrong(part),
            };
        }
        return limits;
    }

    public bool IsMetBy(RequestTiming timing)
        => timing.Error is null && !(timing.Ttft * 1e3 > Ttft) && !(timing.Tpot * 1e3 > Tpot) && !(timing.Latency * 1e3 > E2el);

    private static RequestException Wrong(string part)
        => new($"--goodput has {MessageText.Quote(part)}, expected ttft, tpot or e2el with milliseconds, like ttft:200,tpot:50");
}
