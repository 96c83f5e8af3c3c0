namespace Lapidary.Lora;

/// <summary>One adapter's update of one weight matrix, in the device's own layout: ΔW = scale · B · A.</summary>
public interface ILora : IDisposable
{
    /// <summary>Columns of scratch it needs.</summary>
    int Rank { get; }
}

/// <summary>One adapter's updates of all experts of a layer, in the device's own layout.</summary>
public interface IExpertLora : IDisposable
{
    /// <inheritdoc cref="ILora.Rank"/>
    int Rank { get; }
}

/// <summary>
/// The adapters' updates of one place in the model, by adapter slot. A slot is filled and emptied while no token carries it,
/// by one thread at a time; others may be in use meanwhile.
/// </summary>
public sealed class LoraSlots<T>(int count) where T : class
{
    private readonly T?[] updates = new T?[count];

    public int Count => updates.Length;

    /// <summary>Number of slots that hold an update.</summary>
    public int Used { get; private set; }

    public T? this[int slot]
    {
        get => updates[slot];
        set
        {
            Used += (value is null ? 0 : 1) - (updates[slot] is null ? 0 : 1);
            updates[slot] = value;
        }
    }
}

/// <summary>The adapters' part of one call of an expert layer.</summary>
/// <param name="Updates">Of this layer.</param>
/// <param name="Slots">[t, 1] int32: the adapter slot of each token, or -1 for none.</param>
/// <param name="LowRank">Scratch for x · Aᵀ: t·k rows, as many columns as the largest rank.</param>
public readonly record struct ExpertLoraBatch(LoraSlots<IExpertLora> Updates, IBuffer Slots, IBuffer LowRank);
