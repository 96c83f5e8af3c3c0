namespace Lapidary.Experts;

/// <summary>A backend's answer for one layer.</summary>
public sealed record BackendAnswer(IExpertBackend Backend, Support Support);

/// <summary>The chosen backend and every backend's answer, for the log line and for <c>inspect</c>.</summary>
public sealed record ExpertSelection(IExpertBackend Chosen, IReadOnlyList<BackendAnswer> Answers, string Reason)
{
    /// <summary>One line that accounts for every backend: the chosen one and why, the others that could serve, the rest with their reasons.</summary>
    public override string ToString()
    {
        IEnumerable<string> could = Answers.Where(a => a.Support.Supported && a.Backend != Chosen).Select(a => a.Backend.Name);
        IEnumerable<string> not = Answers.Where(a => !a.Support.Supported).Select(a => $"{a.Backend.Name} {a.Support}");
        return $"experts: {Chosen.Name} ({Reason}){List("; could also be ", ", ", could)}{List("; not ", "; not ", not)}";

        static string List(string first, string separator, IEnumerable<string> items)
            => string.Join(separator, items) is { Length: > 0 } text ? first + text : "";
    }
}

public static class ExpertBackends
{
    /// <summary>Chooses once, at load: the first backend in the device's order that can serve, or the forced one.</summary>
    /// <param name="specs">Every kind of layer in the model: a checkpoint may store some experts in another format than others.</param>
    /// <exception cref="BackendException">Nothing fits, or the forced one does not; every reason is listed.</exception>
    public static ExpertSelection Select(IReadOnlyList<IExpertBackend> backends, IReadOnlyList<ExpertLayerSpec> specs, string? forced)
    {
        if (specs.FirstOrDefault(s => s.Form == ActivationForm.NonGated && !s.Activation.Info.HasNonGated) is { } spec)
            throw new BackendException($"activation {spec.Activation} has no non-gated form, but the experts have no up projection");
        // The first refusal is the answer; default is yes.
        BackendAnswer[] answers = [.. backends.Select(b => new BackendAnswer(b, specs.Select(b.Supports).FirstOrDefault(support => !support.Supported)))];
        if (forced is not null) return Forced(answers, forced);

        BackendAnswer? first = Array.Find(answers, a => a.Support.Supported);
        if (first is null)
            throw new BackendException($"no expert backend can serve this model: {Reasons(answers)}");
        return new ExpertSelection(first.Backend, answers, answers[0] == first ? "first choice of this device" : "first that serves these weights");
    }

    private static ExpertSelection Forced(BackendAnswer[] answers, string forced)
    {
        BackendAnswer answer = Array.Find(answers, a => a.Backend.Name == forced)
            ?? throw new BackendException(
                $"unknown expert backend \"{forced}\"; this device has {string.Join(", ", answers.Select(a => a.Backend.Name))}");
        if (!answer.Support.Supported)
            throw new BackendException($"expert backend \"{forced}\" cannot serve this model: {Reasons(answers)}");
        return new ExpertSelection(answer.Backend, answers, "forced");
    }

    private static string Reasons(BackendAnswer[] answers)
        => string.Join("; ", answers.Select(a => $"{a.Backend.Name}: {a.Support}"));
}
