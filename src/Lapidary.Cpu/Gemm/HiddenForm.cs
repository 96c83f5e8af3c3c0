namespace Lapidary.Cpu.Gemm;

/// <summary>
/// Hidden states rewritten once for a matrix product, so that workers and matrices that share them do not each do it. A
/// token's bytes do not depend on its neighbours.
/// </summary>
/// <param name="Columns">Hidden states of a token.</param>
internal abstract unsafe record HiddenForm(int Columns)
{
    /// <summary>Columns that are written together.</summary>
    public const int Grain = 32;

    /// <summary>Bytes of one token; a batch has a multiple of it.</summary>
    public abstract nint RowBytes { get; }

    /// <summary>Writes tokens [from, to) of a batch.</summary>
    /// <param name="x">[tokens, Columns], rows <paramref name="stride"/> apart</param>
    /// <param name="written">The whole batch.</param>
    public void Write(float* x, nint stride, int from, int to, int tokens, byte* written) => WriteColumns(x, stride, from, to, tokens, 0, Columns, written);

    /// <inheritdoc cref="Write"/>
    /// <param name="firstColumn">A multiple of <see cref="Grain"/>.</param>
    /// <param name="endColumn">Another, or <see cref="Columns"/>.</param>
    public abstract void WriteColumns(float* x, nint stride, int from, int to, int tokens, int firstColumn, int endColumn, byte* written);
}

/// <summary>Tokens shared out among the workers.</summary>
internal readonly unsafe struct WriteFormJob(HiddenForm form, float* x, nint stride, int tokens, byte* written) : IParallelJob
{
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        (int from, int to) = Share.Of(tokens, worker, workers);
        form.Write(x, stride, from, to, tokens, written);
    }
}
