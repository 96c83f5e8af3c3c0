using Lapidary.Server.Errors;

namespace Lapidary.Server.Requests;

/// <summary>Whether and how a chat is to think: reasoning_effort, or the object reasoning in OpenRouter's form.</summary>
/// <param name="Think">Null where the request says nothing.</param>
/// <param name="Param">The parameter that says it.</param>
/// <param name="Budget">Most tokens of reasoning; null for no bound.</param>
/// <param name="IsHidden">Reasoning is made and not told.</param>
internal sealed record ReasoningFields(bool? Think, string Param, int? Budget, bool IsHidden)
{
    public static readonly string[] Efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

    private const string Effort = "reasoning_effort", Object = "reasoning";

    /// <exception cref="ApiException">Members contradict each other.</exception>
    public static ReasoningFields Read(Fields body)
    {
        string? effort = body.Word(Effort, Efforts);
        if (body.Object(Object) is not { } reasoning) return new ReasoningFields(effort is null ? null : effort != "none", Effort, null, IsHidden: false);
        string? own = reasoning.Word("effort", Efforts);
        bool? enabled = reasoning.Flag("enabled");
        int? budget = reasoning.Integer("max_tokens", 1, int.MaxValue);
        bool hidden = reasoning.Flag("exclude") ?? false;
        reasoning.Done();
        if (effort is not null && own is not null && effort != own)
            throw ApiException.Invalid(Effort, $"{Effort} is {effort} and {Object}.effort is {own}; they mean the same, so send one of them");
        bool?[] said = [effort is null ? null : effort != "none", own is null ? null : own != "none", enabled, budget is null ? null : true];
        if (said.Contains(true) && said.Contains(false)) throw ApiException.Invalid(Object, $"{Object} both turns thinking off and asks for it; send one of them");
        return new ReasoningFields(said.Contains(true) ? true : said.Contains(false) ? false : null, Object, budget, hidden);
    }
}
