using System.Text;

namespace Lapidary.Tools;

/// <summary>
/// Reads calls written as JSON: one object <c>{"name": …, "arguments": {…}}</c> or a list of them. Llama's "parameters" and
/// arguments that are JSON in a string are taken too. The arguments stream once the name is known.
/// </summary>
internal sealed class JsonCallReader(
    IReadOnlyList<ToolDefinition> tools, CallTrust trust, OutputWriter output, string lead) : CallReader(tools, trust, output, lead)
{
    private enum State { Start, Between, Key, Colon, Value, AfterValue, Rest }

    /// <summary>Keys that may come before the name.</summary>
    private static readonly string[] CallKeys = ["\"name\"", "\"type\"", "\"id\"", "\"arguments\"", "\"parameters\""];

    private readonly StringBuilder key = new(), scratch = new();
    private LenientJson? value;          // a key or a value that is read
    private StringBuilder arguments = new();
    private State state;
    private string? name;
    private bool inList, isGivenOut, isArguments, hasArguments, hasOthers; // members that are no part of a call

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
            case State.Key:
                TakeKey(c);
                break;
            case State.Colon:
                TakeColon(c);
                break;
            case State.Value:
                TakeValue(c);
                break;
            case State.AfterValue:
                TakeAfterValue(c);
                break;
            case State.Rest:
                Output.Content(c);
                break;
        }
    }

    public override void Finish(OutputEnd end)
    {
        if (IsDone) return;
        if (state is State.Start or State.Between or State.Rest)
        {
            if (!HasCalls) Fail();
            IsDone = true;
            return;
        }
        if (end == OutputEnd.Complete && state == State.Value && value is not null)
        {
            value.Finish();
            EndValue();
            if (IsDone) return;
        }
        hasOthers |= state == State.Key && value is not null; // a key that breaks off
        if (end == OutputEnd.Complete && name is not null) EndObject();
        else if (isGivenOut) EndCall();
        else Fail();
        IsDone = true;
    }

    private void TakeStart(char c)
    {
        if (char.IsWhiteSpace(c)) return;
        if (c == '{') BeginObject();
        else if (c == '[') (inList, state) = (true, State.Between);
        else Fail();
    }

    private void TakeBetween(char c)
    {
        if (char.IsWhiteSpace(c) || c == ',') return;
        if (c == '{') BeginObject();
        else if (c == ']' && (HasCalls || Trust == CallTrust.Announced)) IsDone = true;
        else Fail();
    }

    private void BeginObject()
    {
        name = null;
        arguments = new StringBuilder();
        (isGivenOut, hasArguments, hasOthers) = (false, false, false);
        state = State.Key;
    }

    private void TakeKey(char c)
    {
        if (value is null)
        {
            if (char.IsWhiteSpace(c) || c == ',') return;
            if (c == '}')
            {
                EndObject();
                return;
            }
            if (c is not ('"' or '\''))
            {
                FailObject();
                return;
            }
            key.Clear();
            value = new LenientJson(key);
        }
        value.Take(c);
        if (!value.IsClosed) return;
        value = null;
        state = State.Colon;
        if (CallKeys.Contains(key.ToString())) return;
        hasOthers = true;
        if (Trust == CallTrust.InText && name is null) FailObject(); // JSON, but no call
    }

    private void TakeColon(char c)
    {
        if (char.IsWhiteSpace(c)) return;
        if (c != ':')
        {
            FailObject();
            return;
        }
        isArguments = key.ToString() is "\"arguments\"" or "\"parameters\"" && !hasArguments;
        scratch.Clear();
        value = null;
        state = State.Value;
    }

    private void TakeValue(char c)
    {
        if (value is null)
        {
            if (char.IsWhiteSpace(c)) return;
            BeginValue(c);
        }
        value!.Take(c);
        if (value.Failed) FailObject();
        else if (value.IsClosed) EndValue(next: c);
    }

    private void BeginValue(char first)
    {
        bool isObject = isArguments && first == '{';
        hasArguments |= isObject;
        value = new LenientJson(isObject ? arguments : scratch);
        if (isObject && name is not null) GiveOut();
        if (isObject && isGivenOut) value = new LenientJson(Output.Arguments);
    }

    /// <param name="next">The last character; not part of the value if that was a number or constant.</param>
    private void EndValue(char? next = null)
    {
        string read = scratch.ToString();
        bool isWord = read.Length > 0 && read[0] is not ('"' or '{' or '[');
        value = null;
        state = State.AfterValue;
        if (key.ToString() == "\"name\"" && read is ['"', ..]) EndName(Decode(read));
        else if (isArguments && !hasArguments) EndOddArguments(read);
        if (isWord && next is { } c && !IsDone) TakeAfterValue(c);
    }

    private void EndName(string found)
    {
        if (found.Length == 0 || !IsAccepted(found) || isGivenOut)
        {
            FailObject();
            return;
        }
        name = found;
    }

    /// <summary>Arguments that are no object: JSON within a string, or null for none.</summary>
    private void EndOddArguments(string read)
    {
        hasArguments = true;
        if (read == "null") return;
        LenientJson inner = new(arguments);
        string text = read is ['"', ..] ? Decode(read).Trim() : "";
        if (text.StartsWith('{'))
            foreach (char c in text) inner.Take(c);
        if (!inner.IsClosed && text.Length > 0) inner.Finish();
        if (inner.Failed || (text.Length > 0 && text[0] != '{') || (text.Length == 0 && read != "\"\"")) FailObject();
    }

    private void TakeAfterValue(char c)
    {
        if (char.IsWhiteSpace(c)) return;
        if (c == ',') state = State.Key;
        else if (c == '}') EndObject();
        else FailObject();
    }

    private void EndObject()
    {
        if (name is null || (hasOthers && !hasArguments)) // arguments under another key are not to be passed over
        {
            FailObject();
            return;
        }
        if (!isGivenOut)
        {
            if (arguments.Length == 0) arguments.Append("{}");
            GiveOut();
        }
        EndCall();
        isGivenOut = false;
        state = State.Between;
        IsDone = !inList;
    }

    private void GiveOut()
    {
        BeginCall(name!, arguments);
        isGivenOut = true;
    }

    /// <summary>This object is no call. What has gone out of it is closed, the rest of it is text.</summary>
    private void FailObject()
    {
        if (!isGivenOut)
        {
            Fail();
            return;
        }
        char last = Source[^1];
        value?.Finish();
        EndCall();
        isGivenOut = false;
        IsDone = LastIsText = Trust == CallTrust.InText;
        if (IsDone) return;
        state = State.Rest; // up to the closing token
        if (!char.IsLowSurrogate(last)) Output.Content(last); // whose first half was part of the call
    }

    private static string Decode(string json) => ArgumentValue.Unquoted(json);
}
