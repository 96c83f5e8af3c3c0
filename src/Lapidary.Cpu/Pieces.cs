namespace Lapidary.Cpu;

/// <summary>
/// The pieces of one job as one worker takes them: those of its own share in their order, then what others have not begun. Cores
/// of a shared machine do not read equally fast at every moment, and half of the work each would last as long as the slower one needs.
/// </summary>
/// <param name="count">Pieces of all workers together, the same in each.</param>
internal ref struct Pieces(WorkerPool pool, int count, int worker, int workers)
{
    /// <summary>Of the weights that a piece reads: about 10 µs of a core.</summary>
    public const long Bytes = 128 << 10;

    private int passed; // shares, the worker's own first, of which nothing is left
    private int alone; // pieces taken by a worker that is the only one, whom nobody could forestall

    public bool Next(out int piece)
    {
        for (; passed < workers; passed++)
        {
            int owner = worker + passed;
            if (owner >= workers) owner -= workers;
            (int from, int to) = Share.Of(count, owner, workers);
            piece = from + (workers == 1 ? alone++ : pool.TakePiece(owner));
            if (piece < to) return true;
        }
        piece = count;
        return false;
    }
}
