using Lapidary.KvCache;
using Lapidary.Lora;

namespace Lapidary.Models;

/// <summary>A network that continues token sequences.</summary>
public interface IModel
{
    int VocabSize { get; }

    /// <summary>Most tokens of one step.</summary>
    int MaxStepTokens { get; }

    /// <summary>Most rows of one step that get logits.</summary>
    int MaxLogitRows { get; }

    /// <summary>The adapters that sequences may use.</summary>
    LoraAdapters Adapters { get; }

    /// <summary>[r, h] of the last step: what the logits were computed from; valid until the next call.</summary>
    IBuffer LastHidden { get; }

    /// <summary>Copies keys and values between blocks of the cache.</summary>
    void Copy(BlockCopy copy, KeyValueCache cache);

    /// <summary>Computes one step and advances its sequences. A sequence's logits depend on its tokens and adapter only.</summary>
    /// <returns>[r, vocab] logits of the rows the batch asked for; valid until the next call.</returns>
    IBuffer Forward(ForwardBatch batch, KeyValueCache cache);
}
