using System.Globalization;
using System.Text;

namespace Lapidary.Tools;

internal sealed partial class PythonCallReader
{
    private readonly StringBuilder tail = new();   // what follows a quote that may end the string
    private readonly StringBuilder escape = new(); // after a backslash
    private JsonStringWriter text;
    private char quote;
    private bool isTriple, isRaw, toWord;          // toWord: a key, or a string whose type is decided at its end
    private bool hasBareQuotes;                    // the model does not escape quotes in this string
    private int length, quotes;                    // quotes: in a row, of a triple-quoted string

    private void BeginString(char delimiter, bool raw)
    {
        JsonTypes types = schema?.Types ?? JsonTypes.None;
        toWord = ExpectsKey || (types != JsonTypes.None && (types & JsonTypes.String) == 0);
        word.Clear();
        if (!toWord)
        {
            BeginValue();
            json.Append('"');
        }
        (quote, isRaw, isTriple, hasBareQuotes, length, quotes) = (delimiter, raw, false, false, 0, 0);
        state = State.StringStart;
    }

    private void TakeInString(char c)
    {
        switch (state)
        {
            case State.StringStart when c == quote:
                tail.Clear();
                state = State.TextOrEnd;
                quotes = 2;
                break;
            case State.StringStart:
                state = State.String;
                TakeInString(c);
                break;
            case State.Escape:
                TakeEscape(c);
                break;
            case State.TextOrEnd:
                TakeTail(c);
                break;
            default:
                TakeStringCharacter(c);
                break;
        }
    }

    private void TakeStringCharacter(char c)
    {
        if (c == '\\')
        {
            EndQuoteRun();
            if (isRaw) AppendText(c);
            else escape.Clear();
            state = State.Escape;
        }
        else if (isTriple)
        {
            if (c != quote) EndQuoteRun();
            if (c != quote) AppendText(c);
            else if (++quotes == 3) EndString();
        }
        else if (c == quote)
        {
            tail.Clear();
            quotes = 1;
            state = State.TextOrEnd;
        }
        else
        {
            AppendText(c);
        }
    }

    private void EndQuoteRun()
    {
        if (!isTriple) return;
        for (; quotes > 0; quotes--) AppendText(quote);
    }

    /// <summary>The quote ends the string if what follows goes on with the call. Otherwise the model forgot to escape it.</summary>
    private void TakeTail(char c)
    {
        if (quotes == 2 && tail.Length == 0 && c == quote)
        {
            isTriple = true;
            quotes = 0;
            state = State.String;
            return;
        }
        tail.Append(c);
        Decide(Judge(isLast: false));
    }

    private void FinishStringEnd() => Decide(Judge(isLast: true));

    private QuoteMeaning Judge(bool isLast)
        => PythonStringEnd.Judge(tail.ToString(), [.. open], ExpectsKey, mayConcatenate: !hasBareQuotes, Trust, isLast);

    private void Decide(QuoteMeaning meaning)
    {
        if (meaning == QuoteMeaning.Undecided) return;
        string follows = tail.ToString();
        tail.Clear();
        if (meaning == QuoteMeaning.Concatenates)
        {
            (quote, quotes, state) = (follows[^1], 0, State.String);
            return;
        }
        if (meaning == QuoteMeaning.Ends)
        {
            EndString();
        }
        else
        {
            state = State.String;
            hasBareQuotes = true;
            AppendText(quote);
        }
        quotes = 0;
        foreach (char c in follows) Read(c);
    }

    private void TakeEscape(char c)
    {
        state = State.String;
        if (isRaw)
        {
            AppendText(c);
            return;
        }
        if (escape.Length > 0)
        {
            TakeNumberedEscape(c);
            return;
        }
        switch (c)
        {
            case 'x' or 'u' or 'U' or (>= '0' and <= '7'):
                escape.Append(c);
                state = State.Escape;
                break;
            case '\n': // the line goes on
                break;
            case '\\' or '\'' or '"':
                AppendText(c);
                break;
            default:
                int at = "abfnrtv".IndexOf(c, StringComparison.Ordinal);
                if (at < 0) AppendText('\\');
                AppendText(at < 0 ? c : "\a\b\f\n\r\t\v"[at]);
                break;
        }
    }

    /// <summary>\xhh, \uhhhh, \Uhhhhhhhh and up to three octal digits; broken ones stay as they are.</summary>
    private void TakeNumberedEscape(char c)
    {
        bool isOctal = char.IsAsciiDigit(escape[0]);
        int most = escape[0] switch { 'x' => 3, 'u' => 5, 'U' => 9, _ => 3 };
        if (isOctal ? c is >= '0' and <= '7' : char.IsAsciiHexDigit(c))
        {
            escape.Append(c);
            if (escape.Length < most) state = State.Escape;
            else EndEscape(isOctal);
            return;
        }
        if (isOctal) EndEscape(isOctal);
        else AppendBrokenEscape();
        TakeInString(c);
    }

    private void EndEscape(bool isOctal)
    {
        string digits = escape.ToString();
        int code = isOctal
            ? digits.Aggregate(0, (sum, digit) => sum * 8 + (digit - '0'))
            : unchecked((int)uint.Parse(digits.AsSpan(1), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
        if (code is >= 0 and <= 0xFFFF)
        {
            AppendText((char)code);
        }
        else if (Rune.IsValid(code))
        {
            foreach (char c in new Rune(code).ToString()) AppendText(c);
        }
        else
        {
            AppendBrokenEscape();
        }
        escape.Clear();
    }

    private void AppendBrokenEscape()
    {
        AppendText('\\');
        foreach (char c in escape.ToString()) AppendText(c);
        escape.Clear();
    }

    private void AppendText(char c)
    {
        length++;
        if (toWord)
        {
            word.Append(c);
            return;
        }
        text.Append(json, c);
        if (length > LongString && !isGivenOut && !isRefused) GiveOut();
    }

    private void EndString()
    {
        if (state == State.Escape && !isRaw) AppendBrokenEscape();
        quotes = 0;
        if (!toWord)
        {
            text.End(json);
            json.Append('"');
            EndValue();
            return;
        }
        string whole = ArgumentValue.WellFormed(word.ToString());
        word.Clear();
        EndScalar(whole, ExpectsKey ? ArgumentValue.Quote(whole) : ArgumentValue.OfQuoted(whole, schema!.Types));
    }
}
