using Lapidary.Scheduling;

namespace Lapidary.Speculation;

/// <summary>
/// Proposes how texts go on. Proposals are computed in one step with the token before them, and count only where they are
/// what would have been chosen anyway: a drafter decides about speed, never about a text. One thread owns it.
/// </summary>
internal interface IDrafter : IDisposable
{
    /// <summary>Proposes tokens for each sequence, none where it has no idea.</summary>
    /// <param name="growing">Sequences that have just got a token whose keys and values are not yet computed.</param>
    /// <param name="hidden">[r, h] of the model's last step, with the row of a sequence's last token at <see cref="Sequence.LogitRow"/>.</param>
    void Draft(IReadOnlyList<Sequence> growing, IBuffer hidden);
}
