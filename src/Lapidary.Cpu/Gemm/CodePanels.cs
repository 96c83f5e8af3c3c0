using System.Runtime.InteropServices;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Gemm;

/// <summary>
/// A quantised matrix packed for vectors over rows: a panel holds as many rows as the vector has elements. Per panel, word
/// w of every row lies side by side, and a word of 32 bits holds the next 32 / bits columns, lowest bits first. Scales and
/// offsets lie side by side in the same way, group by group. Columns are in the order of their groups (act-order), so that a
/// kernel goes through a row once and changes the scale at group ends. Rows beyond the last have scale 0.
/// </summary>
internal sealed unsafe class CodePanels : IDisposable
{
    private readonly long wordsLength, scalesLength;
    private readonly LargeMemory words, scales;
    private readonly LargeMemory? offsets;

    /// <param name="lanes">Rows of a panel.</param>
    /// <param name="origin">Constant part of the numbers, folded into the offsets.</param>
    /// <exception cref="BackendException">A code that stands for no finite number, or a scale that is not finite.</exception>
    public CodePanels(QuantizedMatrix matrix, int lanes, float origin)
    {
        Lanes = lanes;
        Rows = matrix.Rows;
        Columns = matrix.Columns;
        Groups = matrix.Groups;
        CodesPerWord = 32 / matrix.Code.Bits;
        WordsPerRow = (Columns + CodesPerWord - 1) / CodesPerWord;
        Panels = (Rows + lanes - 1) / lanes;
        Order = ColumnOrder(matrix.ColumnGroups);
        GroupEnds = Ends(matrix);
        wordsLength = (long)Panels * WordsPerRow * lanes;
        scalesLength = (long)Panels * Groups * lanes;
        words = Allocate(wordsLength);
        scales = Allocate(scalesLength);
        offsets = matrix.Format.HasOffsets || origin != 0 ? Allocate(scalesLength) : null;
        Pack(matrix, origin);
    }

    public void Dispose()
    {
        words.Dispose();
        scales.Dispose();
        offsets?.Dispose();
    }

    public long ByteLength => sizeof(float) * (wordsLength + (offsets is null ? 1 : 2) * scalesLength);

    public int Lanes { get; }
    public int Rows { get; }
    public int Columns { get; }
    public int Groups { get; }
    public int Panels { get; }
    public int CodesPerWord { get; }
    public int WordsPerRow { get; }

    /// <summary>The stored column that each packed column is; empty when they are the same.</summary>
    public int[] Order { get; }

    /// <summary>One past the last packed column of each group.</summary>
    public int[] GroupEnds { get; }

    /// <summary>Whether columns lie in the same order and groups as there.</summary>
    public bool HasColumnsOf(CodePanels other) => Order.AsSpan().SequenceEqual(other.Order) && GroupEnds.AsSpan().SequenceEqual(other.GroupEnds);

    public float* Words(int panel) => (float*)words.Address + (nint)panel * WordsPerRow * Lanes;
    public float* Scales(int panel) => (float*)scales.Address + (nint)panel * Groups * Lanes;

    /// <summary>Null where offsets are 0.</summary>
    public float* Offsets(int panel) => offsets is null ? null : (float*)offsets.Address + (nint)panel * Groups * Lanes;

    private static LargeMemory Allocate(long elements)
    {
        nuint bytes = checked((nuint)elements * sizeof(float));
        LargeMemory memory = new(bytes);
        NativeMemory.Clear(memory.Address, bytes);
        return memory;
    }

    /// <summary>Columns sorted by group; those of one group stay in their order.</summary>
    private static int[] ColumnOrder(ReadOnlySpan<int> groups)
    {
        if (groups.IsEmpty) return [];
        int[] of = groups.ToArray(), order = [.. Enumerable.Range(0, of.Length).OrderBy(column => of[column])];
        return order;
    }

    private static int[] Ends(QuantizedMatrix matrix)
    {
        var ends = new int[matrix.Groups];
        ReadOnlySpan<int> groups = matrix.ColumnGroups;
        if (groups.IsEmpty)
        {
            for (int g = 0; g < ends.Length; g++) ends[g] = Math.Min(matrix.Columns, (g + 1) * matrix.GroupSize);
            return ends;
        }
        foreach (int group in groups) ends[group]++;
        for (int g = 1; g < ends.Length; g++) ends[g] += ends[g - 1];
        return ends;
    }

    private void Pack(QuantizedMatrix matrix, float origin)
    {
        var codes = new byte[Columns];
        var rowScales = new float[Groups];
        var rowOffsets = new float[Groups];
        bool[] finite = [.. matrix.Code.Values.ToArray().Select(float.IsFinite)];
        int bits = matrix.Code.Bits;
        for (int row = 0; row < Rows; row++)
        {
            int panel = row / Lanes, lane = row % Lanes;
            matrix.ReadCodes(row, codes);
            uint* word = (uint*)Words(panel) + lane;
            for (int first = 0; first < Columns; first += CodesPerWord, word += Lanes)
            {
                uint packed = 0;
                int count = Math.Min(CodesPerWord, Columns - first);
                for (int i = 0; i < count; i++)
                {
                    byte code = codes[Order.Length == 0 ? first + i : Order[first + i]];
                    if (!finite[code]) throw NotFinite(matrix, row, $"code {code}");
                    packed |= (uint)code << (i * bits);
                }
                *word = packed;
            }

            matrix.ReadScales(row, rowScales, rowOffsets);
            for (int g = 0; g < Groups; g++)
            {
                if (!float.IsFinite(rowScales[g]) || !float.IsFinite(rowOffsets[g])) throw NotFinite(matrix, row, $"the scale of group {g}");
                Scales(panel)[g * Lanes + lane] = rowScales[g];
                if (offsets is not null) Offsets(panel)[g * Lanes + lane] = rowOffsets[g] + origin * rowScales[g];
            }
            matrix.Release(row, 1);
        }
    }

    private static BackendException NotFinite(QuantizedMatrix matrix, int row, string what)
        => new($"matrix \"{matrix.Name}\" ({matrix.Format}): {what} in row {row} is no finite number; the checkpoint is damaged");
}
