using Lapidary.Scheduling;
using Lapidary.Speculation;

namespace Lapidary.Tests.Scheduling;

/// <summary>Proposes what the text is going to be, with mistakes; sometimes less than it could, or nothing.</summary>
/// <param name="expected">The whole output of a choice.</param>
/// <param name="quality">Probability that a token is right.</param>
internal sealed class OracleDrafter(Func<RequestHandle, int, int[]> expected, int maxTokens, double quality) : IDrafter
{
    private readonly Dictionary<(RequestHandle, int), int[]> outputs = [];
    private readonly Random random = new(1);

    public void Draft(IReadOnlyList<Sequence> growing, IBuffer hidden)
    {
        foreach (Sequence sequence in growing)
        {
            if (!outputs.TryGetValue((sequence.Handle, sequence.Choice), out int[]? output))
                outputs[(sequence.Handle, sequence.Choice)] = output = expected(sequence.Handle, sequence.Choice);
            int most = Math.Min(random.Next(4) == 0 ? random.Next(maxTokens + 1) : maxTokens, sequence.MaxDraft), at = sequence.Output.Length;
            for (int i = at; i < Math.Min(at + most, output.Length); i++)
                sequence.Propose(random.NextDouble() < quality ? output[i] : random.Next(FakeModel.Vocab));
        }
    }

    public void Dispose()
    {
        // holds nothing
    }
}
