namespace Lapidary.Conformance;

/// <summary>An activation of the matrix: one form of one definition, parameters given where it takes any.</summary>
internal sealed record ConformanceActivation(string Name, Activation Activation, ActivationForm Form, ActivationParameters Parameters)
{
    /// <summary>A value for each parameter there is; a definition is given those that it declares.</summary>
    private static readonly ActivationParameters Values = new(Alpha: 1.3, Beta: 1.5, Limit: 3, LinearBeta: 4);

    /// <summary>Every registered activation, whoever registered it.</summary>
    public static IReadOnlyList<ConformanceActivation> All(ActivationRegistry registry) => [.. registry.All.SelectMany(Forms)];

    private static IEnumerable<ConformanceActivation> Forms(ActivationDefinition definition)
    {
        ActivationInfo info = definition.Info;
        ActivationParameters parameters = new(
            Given(nameof(Values.Alpha), Values.Alpha), Given(nameof(Values.Beta), Values.Beta), Given(nameof(Values.Limit), Values.Limit),
            Given(nameof(Values.LinearBeta), Values.LinearBeta));
        Activation activation = definition.Create(parameters);
        yield return new(info.Name, activation, ActivationForm.Gated, parameters);
        if (info.HasNonGated) yield return new(info.NonGatedName, activation, ActivationForm.NonGated, parameters);

        double? Given(string name, double? value) => info.Parameters.Contains(name) ? value : null;
    }
}
