namespace Lapidary.Templates.Rendering;

/// <summary>A failure inside a rendering, before its line is known. <see cref="Template.Render"/> turns it into a <see cref="TemplateException"/>.</summary>
internal sealed class TemplateFault(string message) : Exception(message);

internal static class TemplateError
{
    /// <summary>The error a user sees. The message may hold text of the template, of the request, or of raise_exception.</summary>
    public static TemplateException At(string template, int line, string message, Exception? inner = null)
        => new($"{template} line {line}: {MessageText.OneLine(message)}", inner);
}
