namespace Lapidary.Sampling;

/// <summary>Bounds how long a model may reason before it has to answer.</summary>
/// <param name="Tokens">Most tokens between the tokens that open and close reasoning, of all its stretches together.</param>
/// <param name="OpenId">The token that opens reasoning.</param>
/// <param name="CloseId">The token that closes it, and is put when the budget is used up.</param>
/// <param name="EndIds">Further tokens that end reasoning, like that of a tool call.</param>
/// <param name="IsOpen">The prompt ends inside reasoning.</param>
public sealed record ReasoningBudget(int Tokens, int OpenId, int CloseId, IReadOnlyList<int> EndIds, bool IsOpen)
{
    /// <summary>What opens reasoning at the beginning of an output, too; null for nothing.</summary>
    public ReasoningLabel? Label { get; init; }
}

/// <summary>The text that a model begins its reasoning with, where it forgets the token before it.</summary>
/// <param name="TextOf">A token's text as readers of the output see it.</param>
public sealed record ReasoningLabel(string Text, Func<int, string> TextOf);

/// <summary>Keeps count of one text's reasoning.</summary>
internal sealed class ReasoningLimit(ReasoningBudget budget)
{
    private bool inside = budget.IsOpen, isSpent;
    private int used;
    private string? beginning = budget.IsOpen || budget.Label is null ? null : ""; // of the output, as long as it may become the label

    /// <summary>The token that has to come next; null when the model is free.</summary>
    public int? Forced => inside && used >= budget.Tokens ? budget.CloseId : null;

    /// <summary>The token that opens reasoning, once it may not come again: the model would open and be closed for ever.</summary>
    public int? Forbidden => isSpent ? budget.OpenId : null;

    /// <summary>A token has been added to the output.</summary>
    public void Add(int token)
    {
        if (token == budget.CloseId || budget.EndIds.Contains(token))
        {
            isSpent |= inside && used >= budget.Tokens;
            (inside, beginning) = (false, null);
        }
        else if (token == budget.OpenId) (inside, beginning) = (true, null);
        else if (inside) used++;
        else if (beginning is not null) Begin(beginning + budget.Label!.TextOf(token), budget.Label.Text);
    }

    private void Begin(string text, string label)
    {
        inside = text.StartsWith(label, StringComparison.Ordinal);
        beginning = !inside && label.StartsWith(text, StringComparison.Ordinal) ? text : null;
    }
}
