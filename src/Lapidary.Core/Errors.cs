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
public sealed class RequestException(string message, Exception? inner = null) : LapidaryException(message, inner);

/// <summary>No kernel or expert backend can serve what was asked; the message lists every reason.</summary>
public sealed class BackendException(string message, Exception? inner = null) : LapidaryException(message, inner);
