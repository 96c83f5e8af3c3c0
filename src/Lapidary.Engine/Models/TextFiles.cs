using Lapidary.Templates;
using Lapidary.Tokenizers;

namespace Lapidary.Models;

/// <summary>Tokenizer and chat template of a model, each read once: at first use, or by a thread of its own before that.</summary>
internal sealed class TextFiles : IDisposable
{
    private readonly Lazy<Tokenizer> tokenizer;
    private readonly Lazy<ChatTemplate> chatTemplate;
    private readonly Task reading;

    /// <param name="early">Begins at once. What is wrong with the files is told whoever uses them.</param>
    public TextFiles(ModelFiles files, bool early)
    {
        tokenizer = new Lazy<Tokenizer>(files.LoadTokenizer);
        chatTemplate = new Lazy<ChatTemplate>(files.LoadChatTemplate);
        reading = early && files.HasTokenizer ? Task.Run(() => (tokenizer.Value, chatTemplate.Value)) : Task.CompletedTask;
    }

    /// <exception cref="TokenizerException">There is no usable tokenizer.</exception>
    public Tokenizer Tokenizer => tokenizer.Value;

    /// <exception cref="TemplateException">There is no usable chat template.</exception>
    public ChatTemplate ChatTemplate => chatTemplate.Value;

    /// <summary>Returns when nothing is read any more, so that the files can be closed.</summary>
    public void Dispose() => Task.WhenAny(reading).Wait(); // which never fails; a failure stays in its Lazy
}
