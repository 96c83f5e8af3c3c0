namespace Lapidary;

/// <summary>
/// An error the user can act on. The message says what was found, what was expected and what to do;
/// the command line prints it as one line, the server as one error body. Anything else is a defect.
/// </summary>
public class LapidaryException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A checkpoint file is missing, truncated, inconsistent or hostile.</summary>
public sealed class CheckpointException(string message, Exception? inner = null) : LapidaryException(message, inner);

/// <summary>A model configuration is missing, malformed or describes something that is not implemented.</summary>
public sealed class ConfigException(string message, Exception? inner = null) : LapidaryException(message, inner);

/// <summary>A tokenizer file is missing or malformed, or a text or id cannot be converted.</summary>
public sealed class TokenizerException(string message, Exception? inner = null) : LapidaryException(message, inner);

/// <summary>A chat template is malformed, refuses its input (raise_exception) or exceeds its limits.</summary>
public sealed class TemplateException(string message, Exception? inner = null) : LapidaryException(message, inner);

/// <summary>A request is outside what the loaded model can serve (length, ids, sampling ranges).</summary>
public class RequestException(string message, Exception? inner = null) : LapidaryException(message, inner);

/// <summary>A parameter of a request is out of range or contradicts another.</summary>
/// <param name="parameter">Its name in the OpenAI API, e.g. "top_p".</param>
public sealed class ParameterException(string parameter, string message) : RequestException(message)
{
    public string Parameter { get; } = parameter;

    /// <summary>The end of its range that the value is beyond; null when something else is wrong.</summary>
    public Bound? Exceeded { get; init; }
}

/// <summary>An end of a range.</summary>
public enum Bound
{
    Minimum,
    Maximum,
}

/// <summary>A request forbids every token that could come next.</summary>
public sealed class NothingToChooseException(string message) : RequestException(message);

/// <summary>A prompt leaves no room for output in the context.</summary>
public sealed class ContextOverflowException(int promptTokens, int contextLength, string message) : RequestException(message)
{
    public int PromptTokens { get; } = promptTokens;
    public int ContextLength { get; } = contextLength;
}

/// <summary>More requests wait than the engine accepts; a later try may succeed.</summary>
public sealed class QueueFullException(int waiting, string message) : LapidaryException(message)
{
    /// <summary>Requests that wait, as many as may.</summary>
    public int Waiting { get; } = waiting;
}

/// <summary>The engine takes no requests: it drains, has stopped or has failed.</summary>
public sealed class EngineUnavailableException(string message, Exception? inner = null) : LapidaryException(message, inner);

/// <summary>A request was not done in its time.</summary>
public sealed class DeadlineException(string message) : LapidaryException(message);

/// <summary>Generation of one text failed: a fault in sampling or decoding, a step that could not be computed, a full cache.</summary>
public sealed class GenerationException(string message, Exception? inner = null) : LapidaryException(message, inner);

/// <summary>The model computed logits that are not numbers.</summary>
public sealed class LogitsException(string message) : LapidaryException(message);

/// <summary>Nobody took the tokens of a request out of its buffer.</summary>
public sealed class SlowReaderException(string message) : LapidaryException(message);

/// <summary>No kernel or expert backend can serve what was asked; the message lists every reason.</summary>
public sealed class BackendException(string message, Exception? inner = null) : LapidaryException(message, inner);

/// <summary>A LoRA adapter is damaged, belongs to another model, or needs what is not implemented.</summary>
public sealed class AdapterException(string message, Exception? inner = null) : LapidaryException(message, inner);
