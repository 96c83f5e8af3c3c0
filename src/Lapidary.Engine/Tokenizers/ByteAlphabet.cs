using System.Text;

namespace Lapidary.Tokenizers;

/// <summary>
/// GPT-2's alphabet: each byte is one printable character, printable Latin-1 bytes as themselves, the others from U+0100 on.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] CharOfByte = Build();
    private static readonly Dictionary<char, byte> ByteOfChar = CharOfByte.Select((c, b) => (c, b)).ToDictionary(p => p.c, p => (byte)p.b);

    public static string Encode(ReadOnlySpan<char> text)
    {
        byte[] utf8 = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        int count = Encoding.UTF8.GetBytes(text, utf8);
        return string.Create(count, utf8, static (span, bytes) =>
        {
            for (int i = 0; i < span.Length; i++) span[i] = CharOfByte[bytes[i]];
        });
    }

    /// <summary>The bytes of a token text; characters outside the alphabet stand for their own UTF-8.</summary>
    public static byte[] Decode(string text)
    {
        List<byte> bytes = new(text.Length);
        if (text.All(ByteOfChar.ContainsKey))
            foreach (char c in text) bytes.Add(ByteOfChar[c]);
        else
            bytes.AddRange(Encoding.UTF8.GetBytes(text));
        return [.. bytes];
    }

    private static char[] Build()
    {
        var chars = new char[256];
        int next = 256;
        for (int b = 0; b < 256; b++)
            chars[b] = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF) ? (char)b : (char)next++;
        return chars;
    }
}
