using Lapidary.Server.Errors;

namespace Lapidary.Server.Requests;

/// <summary>thinking_token_budget (vLLM's name) or thinking_budget (Qwen's): most tokens of reasoning.</summary>
internal static class ThinkingBudget
{
    private const string Param = "thinking_token_budget", Other = "thinking_budget";

    /// <summary>Null for no bound, which -1 asks for as well.</summary>
    public static int? Read(Fields body)
    {
        int? budget = body.Integer(Param, -1, int.MaxValue), other = body.Integer(Other, -1, int.MaxValue);
        if (budget is not null && other is not null && budget != other)
            throw ApiException.Invalid(Param, $"{Param} is {budget} and {Other} is {other}; they mean the same, so send one of them");
        return (budget ?? other) is >= 0 and var tokens ? tokens : null;
    }
}
