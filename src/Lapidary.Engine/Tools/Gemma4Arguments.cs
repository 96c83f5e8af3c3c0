using System.Text;

namespace Lapidary.Tools;

/// <summary>
/// Turns the arguments of a Gemma 4 call, <c>key:value,…}</c> after the opening brace, into JSON as they come:
/// <code>
/// pair  := key ":" value        key bare, or between string markers, or in double quotes
/// value := marker text marker | "{" pairs "}" | "[" values "]" | bare word
/// </code>
/// A bare word is given out when it is complete, the rest at once. Superfluous commas, missing colons before strings, missing
/// closing brackets and missing values (which become "") are forgiven.
/// </summary>
internal sealed class Gemma4Arguments
{
    private enum State { Key, QuotedKey, AfterQuotedKey, Value, Quoted, Bare, AfterValue, Closed }

    private sealed record Container(bool IsArray, ArgumentSchema? Schema)
    {
        public bool HasItems { get; set; }
    }

    private const int MaxDepth = 64; // deeper brackets are text, so that the JSON can be read with the usual limits

    private readonly StringBuilder json;
    private readonly char closer;
    private readonly Stack<Container> open = new();
    private readonly StringBuilder word = new(); // a key or bare word, or a string whose type is decided at its end
    private JsonStringWriter text;
    private ArgumentSchema? schema;              // of the value that comes
    private bool inDoubleQuotes, isEscaped;      // the word began with JSON's quote, which hides commas and brackets
    private bool converts;                       // the string goes to word, since the schema wants another type
    private State state;

    /// <param name="json">Receives the JSON.</param>
    /// <param name="schema">Of the arguments object; null when not known.</param>
    /// <param name="closer">What ends the arguments besides "}": ")" when they began with "(".</param>
    public Gemma4Arguments(StringBuilder json, ArgumentSchema? schema, char closer)
    {
        (this.json, this.schema, this.closer) = (json, schema, closer);
        Open(isArray: false);
    }

    public bool IsClosed => state == State.Closed;

    /// <summary>Whether characters are part of a string, and so markers of other things may be too.</summary>
    public bool InString => state is State.Quoted or State.QuotedKey;

    private Container Top => open.Peek();

    public void Take(char c)
    {
        switch (state)
        {
            case State.Key:
                TakeKey(c);
                break;
            case State.QuotedKey:
                word.Append(c);
                break;
            case State.AfterQuotedKey:
                if (IsColon(c)) EndQuotedKey();
                else if (c == ',' || IsCloser(c))
                {
                    EndQuotedKey();
                    TakeValue(c);
                }
                else if (!char.IsWhiteSpace(c)) word.Append(c);
                break;
            case State.Value:
                TakeValue(c);
                break;
            case State.Quoted:
                if (converts) word.Append(c);
                else text.Append(json, c);
                break;
            case State.Bare:
                TakeBare(c);
                break;
            case State.AfterValue:
                if (char.IsWhiteSpace(c)) break;
                if (IsCloser(c)) Close(c);
                else NextItem(c);
                break;
        }
    }

    /// <summary>The marker that begins and ends strings.</summary>
    public void TakeQuote()
    {
        switch (state)
        {
            case State.Quoted:
                EndQuoted();
                break;
            case State.QuotedKey:
                state = State.AfterQuotedKey;
                break;
            case State.Value:
                BeginQuoted();
                break;
            case State.Bare:
                EndBare();
                break;
            case State.AfterValue when Top.IsArray:
                state = State.Value;
                BeginQuoted();
                break;
            case State.Key when word.Length > 0: // the colon is missing
                EndKey();
                BeginQuoted();
                break;
            case State.AfterQuotedKey:
                EndQuotedKey();
                BeginQuoted();
                break;
            case State.Key or State.AfterValue:
                state = State.QuotedKey;
                break;
        }
    }

    /// <summary>Closes what is open: the model ended the call here.</summary>
    public void Finish()
    {
        switch (state)
        {
            case State.Quoted:
                EndQuoted();
                break;
            case State.Bare:
                EndBare();
                break;
            case State.Key when word.Length > 0:
                EndKey();
                break;
            case State.AfterQuotedKey:
            case State.QuotedKey when word.Length > 0:
                EndQuotedKey();
                break;
        }
        if (state == State.Value && !Top.IsArray) Empty();
        while (open.Count > 0) CloseTop();
    }

    private void TakeKey(char c)
    {
        if (inDoubleQuotes) AppendToWord(c);
        else if (IsColon(c)) EndKey();
        else if (c == ',' || IsCloser(c)) KeyWithoutValue(c);
        else if (word.Length > 0 || !char.IsWhiteSpace(c)) AppendToWord(c);
    }

    private bool IsColon(char c) => c == ':' || (c == '=' && closer == ')');

    private void KeyWithoutValue(char c)
    {
        if (word.Length > 0)
        {
            EndKey();
            TakeValue(c);
        }
        else if (c != ',')
        {
            Close(c);
        }
    }

    private void EndKey() => BeginPair(ArgumentValue.Unquoted(TakeWord().Trim()));

    private void EndQuotedKey() => BeginPair(TakeWord());

    private void BeginPair(string key)
    {
        Separate();
        json.Append(ArgumentValue.Quote(key)).Append(':');
        schema = Top.Schema?.Property(key);
        state = State.Value;
    }

    private void TakeValue(char c)
    {
        if (char.IsWhiteSpace(c)) return;
        if (c is '{' or '[' && open.Count < MaxDepth)
        {
            Open(c == '[');
            return;
        }
        if (c != ',' && !IsCloser(c))
        {
            state = State.Bare;
            AppendToWord(c);
            return;
        }
        if (!Top.IsArray) Empty();
        if (c == ',') NextItem(c);
        else Close(c);
    }

    private void TakeBare(char c)
    {
        if (inDoubleQuotes || (c != ',' && !IsCloser(c)))
        {
            AppendToWord(c);
            return;
        }
        EndBare();
        Take(c);
    }

    private void AppendToWord(char c)
    {
        word.Append(c);
        if (isEscaped) isEscaped = false;
        else if (inDoubleQuotes && c == '\\') isEscaped = true;
        else if (c == '"' && (inDoubleQuotes || word.Length == 1)) inDoubleQuotes = !inDoubleQuotes;
    }

    private string TakeWord()
    {
        string taken = word.ToString();
        word.Clear();
        inDoubleQuotes = isEscaped = false;
        return taken;
    }

    private bool IsCloser(char c) => c is '}' or ']' || (c == closer && open.Count == 1);

    private void BeginQuoted()
    {
        JsonTypes types = schema?.Types ?? JsonTypes.None;
        converts = types != JsonTypes.None && (types & JsonTypes.String) == 0;
        if (!converts) BeginValue().Append('"');
        state = State.Quoted;
    }

    private void EndQuoted()
    {
        if (converts)
        {
            EndWord(ArgumentValue.OfQuoted(TakeWord(), schema!.Types));
        }
        else
        {
            text.End(json);
            json.Append('"');
            state = State.AfterValue;
        }
    }

    private void EndBare() => EndWord(ArgumentValue.OfBare(TakeWord().Trim(), schema?.Types ?? JsonTypes.None));

    private void EndWord(string value)
    {
        BeginValue().Append(value);
        state = State.AfterValue;
    }

    private void Empty()
    {
        json.Append("\"\"");
        state = State.AfterValue;
    }

    private void NextItem(char c)
    {
        schema = Top.IsArray ? Top.Schema?.Items() : null;
        state = Top.IsArray ? State.Value : State.Key;
        if (c != ',') Take(c); // the comma is missing
    }

    private void Open(bool isArray)
    {
        if (open.Count > 0) BeginValue();
        json.Append(isArray ? '[' : '{');
        open.Push(new Container(isArray, schema));
        schema = isArray ? schema?.Items() : null;
        state = isArray ? State.Value : State.Key;
    }

    /// <summary>Closes the innermost container of this kind and what is open inside it; a closer without one is dropped.</summary>
    private void Close(char c)
    {
        if (c == closer && c == ')') // the outermost one
        {
            CloseTop();
            return;
        }
        bool isArray = c == ']';
        if (open.All(container => container.IsArray != isArray)) return;
        while (Top.IsArray != isArray) CloseTop();
        CloseTop();
    }

    private void CloseTop()
    {
        json.Append(open.Pop().IsArray ? ']' : '}');
        state = open.Count == 0 ? State.Closed : State.AfterValue;
    }

    /// <summary>Before a value: in an array the comma.</summary>
    private StringBuilder BeginValue()
    {
        if (Top.IsArray) Separate();
        return json;
    }

    private void Separate()
    {
        if (Top.HasItems) json.Append(',');
        Top.HasItems = true;
    }
}
