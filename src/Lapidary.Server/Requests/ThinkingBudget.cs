using Lapidary.Server.Errors;

namespace Lapidary.Server.Requests;

/// <summary>thinking_token_budget (vLLM's name), thinking_budget (Qwen's) or reasoning.max_tokens (OpenRouter's): most tokens of reasoning.</summary>
internal static class ThinkingBudget
{
    private const string Param = "thinking_token_budget", Other = "thinking_budget";

    /// <summary>Null for no bound, which -1 asks for as well.</summary>
    /// <param name="third">reasoning.max_tokens, where the API has it.</param>
    public static int? Read(Fields body, int? third = null)
    {
        int? budget = body.Integer(Param, -1, int.MaxValue);
        budget = Same(budget, body.Integer(Other, -1, int.MaxValue), Other);
        return Same(budget, third, "reasoning.max_tokens") is >= 0 and var tokens ? tokens : null;
    }

    private static int? Same(int? budget, int? other, string name) => budget is not null && other is not null && budget != other
        ? throw ApiException.Invalid(Param, $"{Param} is {budget} and {name} is {other}; they mean the same, so send one of them")
        : budget ?? other;
}
