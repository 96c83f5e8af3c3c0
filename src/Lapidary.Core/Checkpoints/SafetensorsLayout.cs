namespace Lapidary.Checkpoints;

/// <summary>The format's rule for the data: sorted by offset, the tensors cover it exactly, with no hole and no overlap.</summary>
internal static class SafetensorsLayout
{
    /// <summary>Sorts <paramref name="entries"/> by offset and checks them against <paramref name="dataLength"/> bytes.</summary>
    /// <exception cref="CheckpointException">What is wrong, without the file's name.</exception>
    public static void Check(List<HeaderEntry> entries, long dataLength)
    {
        entries.Sort(static (a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End.CompareTo(b.End));
        CheckLength(entries, dataLength);

        long covered = 0;
        string previous = "";
        foreach (HeaderEntry entry in entries)
        {
            if (entry.Begin < covered) throw new CheckpointException($"tensors {MessageText.Quote(previous)} and {MessageText.Quote(entry.Name)} overlap at byte {entry.Begin} of the data");
            if (entry.Begin > covered) throw new CheckpointException($"bytes {covered} to {entry.Begin} of the data, before tensor {MessageText.Quote(entry.Name)}, belong to no tensor");
            covered = entry.End;
            previous = entry.Name;
        }
        if (covered < dataLength) throw new CheckpointException($"the last {dataLength - covered} bytes of the file belong to no tensor");
    }

    private static void CheckLength(List<HeaderEntry> entries, long dataLength)
    {
        HeaderEntry last = default;
        foreach (HeaderEntry entry in entries)
            if (entry.End > last.End) last = entry;
        if (last.End > dataLength)
        {
            throw new CheckpointException($"tensor {MessageText.Quote(last.Name)} ends at byte {last.End} of the data, which has {dataLength}: "
                + $"{last.End - dataLength} bytes are missing; the download may be incomplete");
        }
    }
}
