namespace Lapidary.Tokenizers;

/// <summary>
/// Turns ids into text as they come. Text is given out once no later token can change it: a character that is spread over
/// several byte tokens appears whole. The pieces joined are the text of all ids.
/// </summary>
public sealed class IncrementalDetokenizer(Tokenizer tokenizer, SpecialText special)
{
    private readonly List<int> window = []; // tokens already given out that set the context, then those held back
    private string given = "";              // text of the first part
    private int context;                    // length of the first part

    /// <summary>The text that this token completes; may be empty, and is for ids beyond the vocabulary: models have spare rows.</summary>
    public string Push(int id)
    {
        if (!tokenizer.Contains(id) || (special == SpecialText.Skip && tokenizer.IsSpecial(id))) return "";
        if (window.Count == context && tokenizer.FixedText(id) is { } whole)
        {
            window.Clear();
            window.Add(id);
            context = 1;
            return given = whole;
        }
        window.Add(id);
        if (tokenizer.MayBePartial(id)) return "";
        string text = Text(0);
        return text.EndsWith('\uFFFD') ? "" : Give(text);
    }

    /// <summary>What is still held back, complete or not.</summary>
    public string Flush() => window.Count > context ? Give(Text(0)) : "";

    private string Give(string text)
    {
        // A decoder of a strange file may take back what it gave; what was given out cannot be.
        string delta = text.Length > given.Length ? text[given.Length..] : "";
        // The tokens just given out are the context of the next ones; earlier ones no longer matter.
        window.RemoveRange(0, context);
        context = window.Count;
        given = Text(0);
        return delta;
    }

    private string Text(int from) => tokenizer.Decode(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(window)[from..], SpecialText.Keep);
}
