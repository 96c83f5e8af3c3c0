using System.Text;

namespace Lapidary.Tools;

/// <summary>
/// Reads calls written as Python, <c>[f(a='x', n=1), mod.g(d={'k': [True, None]})]</c>, and gives out their keyword arguments
/// as JSON. Repaired are line ends and other control characters in strings, unescaped quotes in strings, leading zeros, sets
/// (lists), and closing brackets missing at the end. A call with anything else than literals is text; its siblings are not
/// affected.
/// </summary>
internal sealed partial class PythonCallReader(
    IReadOnlyList<ToolDefinition> tools, CallTrust trust, OutputWriter output, string lead) : CallReader(tools, trust, output, lead)
{
    private enum State { Start, Between, Name, Argument, Value, String, StringStart, Escape, TextOrEnd, Word, Opaque, AfterKey, AfterValue }

    private const int MaxDepth = 64;           // as in Gemma4Arguments
    private const int LongString = 64;         // a call with a longer string is given out at once
    private const int LongestName = 256;

    private readonly Stack<PythonContainer> open = new(); // the list, the call, then containers of its arguments
    private readonly StringBuilder word = new();
    private readonly StringBuilder refused = new();       // calls before the first one given out that are text
    private readonly StringBuilder leftOver = new();      // of a call that has gone out, what is no argument: text after it
    private StringBuilder json = new();
    private State state;
    private string name = "";
    private ArgumentSchema? schema;                       // of the value that comes
    private bool isGivenOut, isRefused;                   // the current call
    private int opaqueDepth;
    private char opaqueQuote;
    private bool opaqueIsDropped;
    private string keyText = "", keyJson = "";            // the first item in braces, which may be a key

    private PythonContainer Top => open.Peek();

    private bool InCall => open.Any(container => container.Kind == PythonBracket.Call);

    private bool ExpectsKey => Top.Kind == PythonBracket.Braces || (Top.Kind == PythonBracket.Object && !Top.AfterColon);

    protected override void Read(char c)
    {
        switch (state)
        {
            case State.Start:
                TakeStart(c);
                break;
            case State.Between:
                TakeBetween(c);
                break;
            case State.Name:
                TakeName(c);
                break;
            case State.Argument:
                TakeArgument(c);
                break;
            case State.Value:
                TakeValue(c);
                break;
            case State.Word:
                TakeWord(c);
                break;
            case State.Opaque:
                TakeOpaque(c);
                break;
            case State.AfterKey:
                TakeAfterKey(c);
                break;
            case State.AfterValue:
                TakeAfterValue(c);
                break;
            default:
                TakeInString(c);
                break;
        }
    }

    public override void Finish(OutputEnd end)
    {
        if (state == State.TextOrEnd) FinishStringEnd();
        if (IsDone) return;
        if (!InCall || isRefused)
        {
            FinishOutsideCall();
            return;
        }
        if (end == OutputEnd.Complete) CloseCall();
        else if (!isGivenOut) GiveOut();
        if (isRefused) FinishOutsideCall();
        else if (InCall) EndCall();
        IsDone = true;
    }

    private void FinishOutsideCall()
    {
        if (!HasCalls || state != State.Between) Fail();
        IsDone = true;
    }

    /// <summary>Closes what the model left open in its last call.</summary>
    private void CloseCall()
    {
        if (state is State.String or State.StringStart or State.Escape) EndString();
        else if (state == State.Word) EndWord();
        else if (state == State.Opaque && isGivenOut) EndOpaque();
        else if (state == State.Argument && isGivenOut) leftOver.Append(word);
        switch (state)
        {
            case State.AfterKey when isGivenOut:
                EndLoneKey();
                break;
            case State.Opaque or State.Value or State.AfterKey when !isGivenOut:
                isRefused = true;
                break;
            case State.Value when Top.AfterColon || Top.Kind == PythonBracket.Call:
                json.Append("null");
                break;
        }
        while (!isRefused && InCall) CloseTop();
    }

    private void TakeStart(char c)
    {
        if (char.IsWhiteSpace(c)) return;
        if (c == '[')
        {
            open.Push(new PythonContainer(PythonBracket.List, ']', null));
            state = State.Between;
        }
        else if (IsNameCharacter(c) && Trust == CallTrust.Announced) BeginName(c);
        else Fail();
    }

    private void TakeBetween(char c)
    {
        if (char.IsWhiteSpace(c) || c == ',') return;
        if (IsNameCharacter(c)) BeginName(c);
        else if (c == ']' && (HasCalls || Trust == CallTrust.Announced)) EndList();
        else Fail();
    }

    private void EndList()
    {
        if (!HasCalls && refused.Length > 0) Fail();
        IsDone = true;
    }

    private void BeginName(char c)
    {
        word.Clear().Append(c);
        state = State.Name;
    }

    private void TakeName(char c)
    {
        bool isSpaced = char.IsWhiteSpace(word[^1]);
        if (c == '(' && word.ToString().TrimEnd() is var called && IsAccepted(called)) OpenCall(called);
        else if (word.Length < LongestName && (char.IsWhiteSpace(c) || (!isSpaced && (IsNameCharacter(c) || c is '.' or '-')))) word.Append(c);
        else Fail();
    }

    private void OpenCall(string called)
    {
        name = called;
        word.Clear();
        (isGivenOut, isRefused) = (false, false);
        json = new StringBuilder("{");
        open.Push(new PythonContainer(PythonBracket.Call, ')', ArgumentSchema.Of(Tools, name)));
        state = State.Argument;
    }

    private void TakeArgument(char c)
    {
        bool isEmpty = word.Length == 0;
        if (isEmpty && (char.IsWhiteSpace(c) || c == ',')) return;
        if (isEmpty && c == ')') CloseTop();
        else if (!isEmpty && c == '=') BeginArgument(word.ToString().TrimEnd());
        else if (IsNameCharacter(c) || char.IsWhiteSpace(c)) word.Append(c);
        else BeginOpaque(c, isDropped: true); // not a keyword argument
    }

    private void BeginArgument(string key)
    {
        word.Clear();
        Separate();
        json.Append(ArgumentValue.Quote(key)).Append(':');
        schema = Top.Schema?.Property(key);
        state = State.Value;
    }

    private void TakeValue(char c)
    {
        if (char.IsWhiteSpace(c)) return;
        if (c is '\'' or '"') BeginString(c, raw: false);
        else if (c is '[' or '(' or '{' && MayOpen) Open(c);
        else if (c == Top.Closer && Top.Kind != PythonBracket.Call && !Top.AfterColon) Close(c);
        else if (c is ',' or ')' or ']' or '}' or '[' or '(' or '{') BeginOpaque(c, isDropped: false);
        else
        {
            word.Clear().Append(c);
            state = State.Word;
        }
    }

    private bool MayOpen => open.Count <= MaxDepth && !(Top.Kind == PythonBracket.Object && !Top.AfterColon); // no container is a key

    private void Open(char c)
    {
        if (Top.Kind == PythonBracket.Braces) DecideSet();
        BeginValue();
        if (c != '{') json.Append('[');
        open.Push(c == '{' ? new PythonContainer(PythonBracket.Braces, '}', schema) : new PythonContainer(PythonBracket.Array, c == '[' ? ']' : ')', schema));
        schema = c == '{' ? null : schema?.Items();
        state = State.Value;
    }

    private void TakeWord(char c)
    {
        bool ends = char.IsWhiteSpace(c) || c is ',' or ')' or ']' or '}' || (c == ':' && ExpectsKey);
        if (ends)
        {
            EndWord();
            Read(c);
        }
        else if (c is '\'' or '"' && word.ToString() is "r" or "R" or "u" or "U")
        {
            BeginString(c, raw: word[0] is 'r' or 'R');
        }
        else if (IsNameCharacter(c) || c is '.' or '+' or '-')
        {
            word.Append(c);
        }
        else
        {
            BeginOpaque(c, isDropped: false);
        }
    }

    private void EndWord()
    {
        string text = word.ToString();
        string number = text.Replace("_", "", StringComparison.Ordinal);
        bool isNumber = ArgumentValue.Number(number) is not null && !text.StartsWith('_') && !text.EndsWith('_');
        if (isNumber) text = number;
        bool isLiteral = isNumber || text is "True" or "False" or "None" or "true" or "false" or "null";
        Refuse(unless: isLiteral);
        word.Clear();
        EndScalar(text, isLiteral ? ArgumentValue.OfBare(text, schema?.Types ?? JsonTypes.None) : ArgumentValue.Quote(text));
    }

    /// <summary>Something that is no literal, up to the end of the item: the call becomes text, or has gone out and keeps it as a string.</summary>
    private void BeginOpaque(char c, bool isDropped)
    {
        Refuse(unless: false);
        (opaqueDepth, opaqueQuote, opaqueIsDropped) = (0, '\0', isDropped);
        state = State.Opaque;
        TakeOpaque(c);
    }

    private void TakeOpaque(char c)
    {
        if (opaqueQuote == '\0' && opaqueDepth == 0 && (c is ',' or ')' or ']' or '}' || (c == ':' && ExpectsKey && !opaqueIsDropped)))
        {
            EndOpaque();
            Read(c);
            return;
        }
        if (opaqueQuote != '\0') opaqueQuote = c == opaqueQuote ? '\0' : opaqueQuote;
        else if (c is '\'' or '"') opaqueQuote = c;
        else if (c is '(' or '[' or '{') opaqueDepth++;
        else if (c is ')' or ']' or '}') opaqueDepth--;
        word.Append(c);
    }

    private void EndOpaque()
    {
        string text = word.ToString();
        word.Clear();
        state = State.AfterValue;
        if (!opaqueIsDropped) EndScalar(text, ArgumentValue.Quote(text));
        else if (isGivenOut) leftOver.Append(text);
    }

    /// <summary>A string, number or constant is complete: a value, or the first item in braces, or a key.</summary>
    private void EndScalar(string text, string value)
    {
        if (ExpectsKey)
        {
            (keyText, keyJson) = (text, value);
            state = State.AfterKey;
            return;
        }
        BeginValue();
        json.Append(value);
        EndValue();
    }

    private void TakeAfterKey(char c)
    {
        if (char.IsWhiteSpace(c)) return;
        if (c == ':')
        {
            if (Top.Kind == PythonBracket.Braces) DecideBraces(PythonBracket.Object, '{');
            Separate();
            json.Append(ArgumentValue.Quote(keyText)).Append(':');
            schema = Top.Schema?.Property(keyText);
            Top.AfterColon = true;
            state = State.Value;
            return;
        }
        EndLoneKey();
        Read(c);
    }

    /// <summary>An item of a set, or a key without value.</summary>
    private void EndLoneKey()
    {
        if (Top.Kind == PythonBracket.Braces)
        {
            DecideSet();
            Separate();
            json.Append(keyJson);
        }
        else
        {
            Refuse(unless: false); // a key without value
            Separate();
            json.Append(ArgumentValue.Quote(keyText)).Append(":null");
        }
        state = State.AfterValue;
    }

    private void DecideSet()
    {
        DecideBraces(PythonBracket.Array, '[');
        schema = Top.Schema?.Items();
    }

    private void DecideBraces(PythonBracket kind, char bracket)
    {
        Top.Kind = kind;
        json.Append(bracket);
    }

    private void TakeAfterValue(char c)
    {
        if (char.IsWhiteSpace(c)) return;
        if (c is ')' or ']' or '}') Close(c);
        else if (c != ',') BeginOpaque(c, isDropped: true);
        else
        {
            schema = Top.Kind == PythonBracket.Array ? Top.Schema?.Items() : null;
            state = Top.Kind == PythonBracket.Call ? State.Argument : State.Value;
        }
    }

    private void EndValue()
    {
        Top.AfterColon = false;
        state = State.AfterValue;
    }

    private void Close(char c)
    {
        Refuse(unless: c == Top.Closer);
        if (open.All(container => container.Closer != c)) return;
        while (Top.Closer != c && Top.Kind != PythonBracket.Call) CloseTop();
        if (Top.Closer == c) CloseTop();
    }

    private void CloseTop()
    {
        PythonContainer top = open.Pop();
        json.Append(top.Kind switch { PythonBracket.Array => "]", PythonBracket.Braces => "{}", _ => "}" });
        if (top.Kind == PythonBracket.Call) EndPythonCall();
        else EndValue();
    }

    private void EndPythonCall()
    {
        if (isRefused)
        {
            string text = Source.ToString().Trim(',', ' ', '\n', '[');
            Source.Clear();
            if (HasCalls) Output.Content(text);
            else refused.Append(refused.Length > 0 ? ", " : "").Append(text);
        }
        else
        {
            if (!isGivenOut) GiveOut();
            EndCall();
            Output.Content(leftOver.ToString());
            leftOver.Clear();
        }
        state = State.Between;
        IsDone = open.Count == 0;
        if (IsDone && !HasCalls) Fail();
    }

    private void GiveOut()
    {
        Output.Content(refused.ToString());
        refused.Clear();
        BeginCall(name, json);
        json = Output.Arguments;
        isGivenOut = true;
    }

    private void Refuse(bool unless)
    {
        if (!unless && !isGivenOut) isRefused = true;
    }

    private void BeginValue()
    {
        if (Top.Kind == PythonBracket.Array) Separate();
    }

    private void Separate()
    {
        if (Top.HasItems) json.Append(',');
        Top.HasItems = true;
    }

    private static bool IsNameCharacter(char c) => char.IsLetterOrDigit(c) || c == '_';
}
