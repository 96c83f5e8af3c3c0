using System.Text;

namespace Lapidary.Tools;

/// <summary>
/// Copies a JSON value character by character, without white space, and repairs what models get wrong: control characters in
/// strings, bad escapes, single quotes, Python's constants and numbers, strings without quotes in a container, superfluous and
/// missing commas, missing closing brackets.
/// </summary>
internal sealed class LenientJson(StringBuilder json)
{
    private enum State { Value, Key, AfterKey, String, Escape, Word, AfterValue, Closed }

    private const int MaxDepth = 64; // as in Gemma4Arguments

    private readonly Stack<bool> open = new(); // whether the container is an array
    private readonly StringBuilder word = new(), hex = new();
    private JsonStringWriter text;
    private State state;
    private char quote;
    private bool needsComma, isKey;

    public bool IsClosed => state == State.Closed;

    /// <summary>Something cannot be repaired; <see cref="Finish"/> still gives JSON.</summary>
    public bool Failed { get; private set; }

    public void Take(char c)
    {
        switch (state)
        {
            case State.Value or State.Key:
                Begin(c);
                break;
            case State.AfterKey when c == ':':
                json.Append(':');
                state = State.Value;
                break;
            case State.AfterKey or State.AfterValue when char.IsWhiteSpace(c):
                break;
            case State.AfterKey:
                Failed = true;
                break;
            case State.String:
                TakeString(c);
                break;
            case State.Escape:
                TakeEscape(c);
                break;
            case State.Word:
                TakeWord(c);
                break;
            case State.AfterValue:
                TakeAfterValue(c);
                break;
        }
    }

    /// <summary>Closes what is open.</summary>
    public void Finish()
    {
        if (state == State.Word) EndWord();
        if (state is State.String or State.Escape) EndString();
        if (state == State.AfterKey) json.Append(":null");
        else if (state == State.Value && (open.Count == 0 || !open.Peek())) json.Append("null");
        while (open.Count > 0) json.Append(open.Pop() ? ']' : '}');
        state = State.Closed;
    }

    private void Begin(char c)
    {
        if (char.IsWhiteSpace(c) || (c == ',' && open.Count > 0 && (state == State.Key || open.Peek()))) return;
        if (open.Count > 0 && c == Closer && (state == State.Key || open.Peek()))
        {
            Close();
            return;
        }
        bool isQuote = c is '"' or '\'';
        if ((state == State.Key && !isQuote) || (!isQuote && c is '}' or ']' or ':' or ',') || (c is '{' or '[' && open.Count >= MaxDepth))
        {
            Failed = true;
            return;
        }
        isKey = state == State.Key;
        if (needsComma) json.Append(',');
        needsComma = false;
        if (isQuote)
        {
            quote = c;
            json.Append('"');
            state = State.String;
        }
        else if (c is '{' or '[')
        {
            json.Append(c);
            open.Push(c == '[');
            state = c == '[' ? State.Value : State.Key;
        }
        else
        {
            word.Clear().Append(c);
            state = State.Word;
        }
    }

    private char Closer => open.Peek() ? ']' : '}';

    private void TakeString(char c)
    {
        if (c == '\\') state = State.Escape;
        else if (c == quote) EndString();
        else text.Append(json, c);
    }

    private void TakeEscape(char c)
    {
        if (hex.Length > 0)
        {
            TakeHex(c);
            return;
        }
        state = State.String;
        if (c == 'u')
        {
            hex.Append(c);
            state = State.Escape;
            return;
        }
        int at = "bfnrt".IndexOf(c, StringComparison.Ordinal);
        if (at >= 0) text.Append(json, "\b\f\n\r\t"[at]);
        else if (c is '"' or '\\' or '/' or '\'') text.Append(json, c);
        else
        {
            text.Append(json, '\\'); // no escape of JSON's: the model meant a backslash
            TakeString(c);
        }
    }

    private void TakeHex(char c)
    {
        if (char.IsAsciiHexDigit(c))
        {
            hex.Append(c);
            if (hex.Length < 5) return;
            text.Append(json, (char)Convert.ToUInt16(hex.ToString(1, 4), 16));
            hex.Clear();
            state = State.String;
            return;
        }
        EndBrokenHex();
        state = State.String;
        TakeString(c);
    }

    private void EndBrokenHex()
    {
        if (hex.Length == 0) return;
        text.Append(json, '\\');
        foreach (char c in hex.ToString()) text.Append(json, c);
        hex.Clear();
    }

    private void EndString()
    {
        EndBrokenHex();
        text.End(json);
        json.Append('"');
        if (isKey) state = State.AfterKey;
        else EndValue();
    }

    private void TakeWord(char c)
    {
        if (char.IsLetterOrDigit(c) || c is '+' or '-' or '.' or '_')
        {
            word.Append(c);
            return;
        }
        EndWord();
        Take(c);
    }

    private void EndWord()
    {
        string found = word.ToString();
        string? value = found is "true" or "false" or "null" or "True" or "False" or "None"
            ? ArgumentValue.OfBare(found, JsonTypes.None)
            : ArgumentValue.Number(found);
        Failed |= value is null && open.Count == 0;
        json.Append(value ?? (open.Count > 0 ? ArgumentValue.Quote(found) : "null"));
        EndValue();
    }

    private void EndValue()
    {
        needsComma = true;
        state = open.Count == 0 ? State.Closed : State.AfterValue;
    }

    private void TakeAfterValue(char c)
    {
        if (c == Closer)
        {
            Close();
            return;
        }
        state = open.Peek() ? State.Value : State.Key;
        if (c != ',') Take(c); // the comma is missing
    }

    private void Close()
    {
        json.Append(Closer);
        open.Pop();
        EndValue();
    }
}
