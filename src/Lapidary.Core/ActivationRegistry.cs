using System.Collections.Immutable;

namespace Lapidary;

/// <summary>An activation that can be asked for by name.</summary>
/// <param name="Info">Its facts.</param> <param name="Create">Makes it with a configuration's parameters.</param>
public sealed record ActivationDefinition(ActivationInfo Info, Func<ActivationParameters, Activation> Create)
{
    public static ActivationDefinition Of<TActivation>() where TActivation : struct, IActivation<TActivation>
        => new(TActivation.Info, parameters => Activation.Of(TActivation.Create(parameters)));
}

/// <summary>
/// Finds activations by any of their names: the value string, "NAME_no_mul", HuggingFace's aliases, vLLM's operator names.
/// The only table of its kind; backends never list activations.
/// </summary>
public sealed class ActivationRegistry(IEnumerable<ActivationDefinition> definitions)
{
    private ImmutableList<ActivationDefinition> all = [.. definitions];

    public static ActivationRegistry Default { get; } = new(Activations.Definitions);

    public IReadOnlyList<ActivationDefinition> All => all;

    /// <summary>Adds an activation that lives elsewhere, e.g. in a plug-in or a test.</summary>
    /// <exception cref="ConfigException">One of its names is taken.</exception>
    public void Register<TActivation>() where TActivation : struct, IActivation<TActivation>
    {
        ActivationDefinition added = ActivationDefinition.Of<TActivation>();
        ImmutableInterlocked.Update(ref all, current =>
        {
            HashSet<string> taken = [.. current.SelectMany(d => Names(d.Info))];
            if (Names(added.Info).FirstOrDefault(taken.Contains) is { } clash)
                throw new ConfigException($"activation \"{added.Info.Name}\" cannot be added: the name \"{clash}\" is taken");
            return current.Add(added);
        });
    }

    /// <summary>Takes out an activation that was added.</summary>
    public void Unregister(string name) => ImmutableInterlocked.Update(ref all, current => current.RemoveAll(d => d.Info.Name == name));

    /// <exception cref="ConfigException">Unknown name (the message lists the known ones) or wrong parameters.</exception>
    public (Activation Activation, ActivationForm Form) Resolve(string name, ActivationParameters? parameters = null)
    {
        foreach (ActivationDefinition definition in all)
        {
            ActivationInfo info = definition.Info;
            bool nonGated = info.HasNonGated && name == info.NonGatedName;
            if (!nonGated && name != info.Name && name != info.OpName && Array.IndexOf(info.Aliases, name) < 0) continue;
            return (Create(definition, parameters ?? ActivationParameters.None), nonGated ? ActivationForm.NonGated : ActivationForm.Gated);
        }
        throw new ConfigException($"unknown activation {MessageText.Quote(name)}; known: {string.Join(", ", all.SelectMany(d => Names(d.Info)))}");
    }

    private static Activation Create(ActivationDefinition definition, ActivationParameters parameters)
    {
        foreach (string given in parameters.Given())
            if (Array.IndexOf(definition.Info.Parameters, given) < 0)
                throw new ConfigException($"activation \"{definition.Info.Name}\" takes no parameter {given.ToLowerInvariant()}");
        return definition.Create(parameters);
    }

    private static IEnumerable<string> Names(ActivationInfo info)
        => [info.Name, .. info.Aliases, .. info.OpName is null ? [] : (string[])[info.OpName], .. info.HasNonGated ? (string[])[info.NonGatedName] : []];
}
