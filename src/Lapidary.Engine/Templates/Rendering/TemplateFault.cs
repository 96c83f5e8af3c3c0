namespace Lapidary.Templates.Rendering;

/// <summary>A failure inside a rendering, before its line is known. <see cref="Template.Render"/> turns it into a <see cref="TemplateException"/>.</summary>
internal sealed class TemplateFault(string message) : Exception(message);
