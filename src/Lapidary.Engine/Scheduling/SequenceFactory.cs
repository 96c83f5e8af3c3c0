using Lapidary.Generation;
using Lapidary.KvCache;
using Lapidary.Lora;
using Lapidary.Sampling;
using Lapidary.Tokenizers;

namespace Lapidary.Scheduling;

/// <summary>Checks requests against what a model can serve and makes their sequences. Safe for concurrent use.</summary>
/// <param name="tokenizer">Null for a model without one: no text, stop texts or bad words.</param>
internal sealed class SequenceFactory(
    KeyValueCache cache, int vocabSize, LoraAdapters adapters, Tokenizer? tokenizer, IReadOnlyList<int> eosTokenIds, PrefixCaching prefixCaching, TimeProvider time)
{
    private long submitted;

    /// <exception cref="RequestException">The request cannot be served; the message says why.</exception>
    /// <exception cref="AdapterException">No adapter of its name is loaded.</exception>
    public void Check(InferenceRequest request)
    {
        SamplingParameters sampling = request.Sampling.Checked(vocabSize);
        if (tokenizer is null && (sampling.Stop.Count > 0 || sampling.BadWords.Count > 0))
            throw new ParameterException(sampling.Stop.Count > 0 ? "stop" : "bad_words", "the model has no tokenizer.json, so it writes token ids and no text; stop and bad_words need text");
        if (request.Adapter is { } adapter) adapters.Find(adapter);
        CheckPrompt(request.PromptIds.AsSpan());
    }

    /// <summary>The sequences of a checked request, one for each choice, which hold its adapter.</summary>
    /// <exception cref="AdapterException">The adapter has been dropped since the check.</exception>
    public Sequence[] Make(RequestHandle handle)
    {
        InferenceRequest request = handle.Request;
        LoadedAdapter? adapter = request.Adapter is { } name ? adapters.Hold(name, request.Sampling.N) : null;
        try
        {
            return [.. Choices(handle, adapter)];
        }
        catch
        {
            if (adapter is not null) adapters.Release(adapter, request.Sampling.N);
            throw;
        }
    }

    /// <summary>Undoes <see cref="Make"/> for sequences that are not going to be computed.</summary>
    public void Discard(Sequence[] choices)
    {
        if (choices is [{ Adapter: { } adapter }, ..]) adapters.Release(adapter, choices.Length);
    }

    private IEnumerable<Sequence> Choices(RequestHandle handle, LoadedAdapter? adapter)
    {
        InferenceRequest request = handle.Request;
        SamplingParameters sampling = request.Sampling;
        HashSet<int> ends = [.. sampling.StopTokenIds, .. sampling.IgnoreEos ? [] : eosTokenIds];
        int[][] badWords = [.. sampling.BadWords.SelectMany(BadWord)];
        BlockHash? root = prefixCaching == PrefixCaching.Off ? null : BlockHash.Root(adapter?.CacheKey, request.CacheSalt);
        int maxLength = (int)Math.Min(cache.ContextLength, request.PromptIds.Length + (long)(sampling.MaxTokens ?? int.MaxValue));
        for (int choice = 0; choice < sampling.N; choice++)
        {
            PromptLogprobs? promptLogprobs = choice == 0 && sampling.PromptLogprobs is { } top ? new(handle, vocabSize, top) : null;
            yield return new Sequence(
                handle, choice, Interlocked.Increment(ref submitted), cache.NewSequence(maxLength, root),
                new Sampler(sampling, vocabSize, unchecked(handle.Seed + choice), request.PromptIds.AsSpan(), [.. ends], badWords),
                new OutputText(tokenizer, sampling), promptLogprobs, ends, new RequestClock(time, request), adapter);
        }
    }

    private void CheckPrompt(ReadOnlySpan<int> prompt)
    {
        if (prompt.Length == 0) throw new RequestException("the prompt is empty; a model needs at least one token to go on from");
        if (prompt.Length >= cache.ContextLength)
            throw new ContextOverflowException(
                prompt.Length, cache.ContextLength,
                $"the prompt has {prompt.Length} tokens, and the context holds {cache.ContextLength} with at least one of output; shorten it or raise the context length");
        foreach (int id in prompt)
            if (id < 0 || id >= vocabSize) throw new RequestException($"token id {id} is outside the model's vocabulary, 0 to {vocabSize - 1}");
    }

    /// <summary>The word as it is, and after a space where that begins with another token.</summary>
    private IEnumerable<int[]> BadWord(string word)
    {
        int[] bare = tokenizer!.Encode(word, SpecialTokens.Omit), spaced = tokenizer.Encode(" " + word.TrimStart(), SpecialTokens.Omit);
        if (bare.Length == 0) yield break;
        yield return bare;
        if (spaced is [var first, ..] && first != bare[0]) yield return spaced;
    }
}
