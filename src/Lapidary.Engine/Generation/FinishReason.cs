namespace Lapidary.Generation;

/// <summary>Why a text ended, in the words of OpenAI and vLLM.</summary>
public enum FinishReason
{
    /// <summary>An end-of-text token, a stop token or a stop text.</summary>
    Stop,

    /// <summary>max_tokens or the context is used up.</summary>
    Length,

    /// <summary>Cancelled, past its deadline, or the engine stopped.</summary>
    Abort,

    /// <summary>Something failed that concerns this text.</summary>
    Error,
}
