using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Lapidary.Tokenizers;

namespace Lapidary.Server.OpenAi;

/// <summary>Single tokens as log-probabilities show them.</summary>
/// <param name="model">The model whose tokens they are.</param>
/// <param name="asIds">return_tokens_as_token_ids: "token_id:7" instead of text.</param>
internal sealed class TokenTexts(ServedModel model, bool asIds)
{
    /// <summary>JSON has no minus infinity; vLLM's stand-in.</summary>
    private const float Floor = -9999f;

    private readonly Tokenizer? tokenizer = model.Model.HasTokenizer ? model.Tokenizer : null;

    public byte[] Bytes(int id) => tokenizer?.Contains(id) == true ? tokenizer.TokenBytes(id) : [];

    /// <summary>Text, or "bytes:\xe2\x80" for a part of a character.</summary>
    public string Text(int id)
    {
        if (asIds || tokenizer?.Contains(id) != true) return string.Create(CultureInfo.InvariantCulture, $"token_id:{id}");
        byte[] bytes = tokenizer.TokenBytes(id);
        return Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : "bytes:" + string.Concat(bytes.Select(b => $"\\x{b:x2}"));
    }

    public static float Logprob(float logprob) => Math.Max(logprob, Floor);

    /// <summary>
    /// Characters (code points) that begin in the token: the sum over tokens is the length of their text. Control tokens, like
    /// one the tokenizer puts before a prompt, are not in the text.
    /// </summary>
    public int Characters(int id)
    {
        if (tokenizer?.IsSpecial(id) == true) return 0;
        int count = 0;
        foreach (byte b in Bytes(id))
            if ((b & 0xC0) != 0x80) count++;
        return count;
    }
}
