namespace Lapidary.Sampling;

/// <summary>A place in the order of tokens: by descending logit, and of equals by ascending id.</summary>
internal readonly record struct Place(float Logit, int Id)
{
    /// <summary>Behind every token of at least that logit.</summary>
    public static Place Behind(float logit) => new(logit, int.MaxValue);

    /// <summary>Whether the token comes before it.</summary>
    public bool IsAfter(float logit, int id) => logit > Logit || (logit == Logit && id < Id);
}
