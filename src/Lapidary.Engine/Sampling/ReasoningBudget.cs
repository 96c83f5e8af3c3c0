namespace Lapidary.Sampling;

/// <summary>Bounds how long a model may reason before it has to answer.</summary>
/// <param name="Tokens">Most tokens between the tokens that open and close reasoning, of all its stretches together.</param>
/// <param name="OpenId">The token that opens reasoning.</param>
/// <param name="CloseId">The token that closes it, and is put when the budget is used up.</param>
/// <param name="EndIds">Further tokens that end reasoning, like that of a tool call.</param>
/// <param name="IsOpen">The prompt ends inside reasoning.</param>
public sealed record ReasoningBudget(int Tokens, int OpenId, int CloseId, IReadOnlyList<int> EndIds, bool IsOpen);

/// <summary>Keeps count of one text's reasoning.</summary>
internal sealed class ReasoningLimit(ReasoningBudget budget)
{
    private bool inside = budget.IsOpen, isSpent;
    private int used;

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
            inside = false;
        }
        else if (token == budget.OpenId) inside = true;
        else if (inside) used++;
    }
}
