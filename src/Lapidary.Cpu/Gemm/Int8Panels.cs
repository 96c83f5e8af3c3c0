using System.Runtime.CompilerServices;
using Lapidary.Cpu.Assembly;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Gemm;

/// <summary>
/// A quantised matrix times int8 hidden states: a token's columns are rounded to ±127 steps of the largest magnitude in each 32
/// of them, so products of integer codes sum exactly, and the scales meet the sum of a segment once. Codes of any kind;
/// integer codes take <see cref="Assembly.IntegerMatrix"/>, which rounds in the same way.
/// </summary>
internal sealed unsafe class Int8PanelMatrix<TLane, TBits, TDecoder> : WeightMatrix
    where TLane : struct, IFloatLane<TLane>
    where TBits : struct, IBitWidth
    where TDecoder : struct, ICodeDecoder
{
    /// <summary>Columns that share a scale of the hidden states.</summary>
    private const int BlockColumns = PanelLayout.StepColumns; // as the assembled kernels

    private readonly QuantizedMatrix source;
    private readonly TDecoder decoder;
    private readonly CodePanels panels;
    private readonly Segment[] segments;

    public Int8PanelMatrix(QuantizedMatrix source, TDecoder decoder) : base(source.Rows, source.Columns)
    {
        this.source = source;
        this.decoder = decoder;
        panels = new CodePanels(source, TLane.Count, decoder.Origin);
        segments = [.. Segments(panels)];
    }

    /// <summary>Columns up to End share a weight scale and a scale of the hidden states.</summary>
    private readonly record struct Segment(int End, int Group, int Block);

    public override int Grain => TLane.Count;

    public override long ByteLength => panels.ByteLength;

    private int Blocks => (Columns + BlockColumns - 1) / BlockColumns;

    private static IEnumerable<Segment> Segments(CodePanels panels)
    {
        int group = 0;
        for (int column = 0; column < panels.Columns;)
        {
            while (panels.GroupEnds[group] <= column) group++;
            int block = column / BlockColumns, end = Math.Min(Math.Min((block + 1) * BlockColumns, panels.GroupEnds[group]), panels.Columns);
            yield return new Segment(end, group, block);
            column = end;
        }
    }

    public override void Multiply(int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
    {
        if (from >= to) return;
        float* integers = ThreadScratch.Floats(Columns + Blocks + segments.Length), scales = integers + Columns, totals = scales + Blocks;
        float* sums = stackalloc float[TLane.Count];
        for (int t = 0; t < tokens; t++)
        {
            Round(x + t * xStride, integers, scales, totals);
            for (int panel = from / TLane.Count; panel * TLane.Count < to; panel++)
            {
                TLane.Store(Dot(panel, integers, scales, totals), sums);
                PanelRows.Store<TLane>(sums, panel, from, to, y + t * yStride);
            }
        }
    }

    public override void CopyRow(int row, float scale, float* output) => CopyStoredRow(source, row, scale, output);

    public override void Dispose() => panels.Dispose();

    /// <summary>x = integers · the block's scale; totals[s] is the sum of segment s in units of x.</summary>
    private void Round(float* x, float* integers, float* scales, float* totals)
    {
        for (int i = 0; i < Columns; i++) integers[i] = x[panels.Order.Length == 0 ? i : panels.Order[i]];
        for (int block = 0; block < Blocks; block++)
        {
            int start = block * BlockColumns, end = Math.Min(start + BlockColumns, Columns);
            float largest = 0;
            for (int i = start; i < end; i++) largest = MathF.Max(largest, MathF.Abs(integers[i]));
            scales[block] = largest / 127;
            float inverse = largest > 0 ? 127 / largest : 0;
            for (int i = start; i < end; i++) integers[i] = MathF.Round(integers[i] * inverse);
        }
        int column = 0;
        for (int s = 0; s < segments.Length; s++)
        {
            float sum = 0;
            for (; column < segments[s].End; column++) sum += integers[column];
            totals[s] = sum * scales[segments[s].Block];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private TLane Dot(int panel, float* integers, float* scales, float* totals)
    {
        float* words = panels.Words(panel), weightScales = panels.Scales(panel), offsets = panels.Offsets(panel);
        TLane word = TLane.Zero, sum = word;
        int column = 0, left = 0;
        for (int s = 0; s < segments.Length; s++)
        {
            Segment segment = segments[s];
            TLane products = TLane.Zero; // integers below 2^24: exact in any order
            for (; column < segment.End; column++, left--)
            {
                if (left == 0)
                {
                    word = TLane.Load(words);
                    words += TLane.Count;
                    left = 32 / TBits.Bits;
                }
                products = TLane.MultiplyAdd(decoder.Decode(word), TLane.Broadcast(integers[column]), products);
                word = TLane.ShiftRight(word, TBits.Bits);
            }
            TLane scale = TLane.Load(weightScales + segment.Group * TLane.Count) * TLane.Broadcast(scales[segment.Block]);
            sum = TLane.MultiplyAdd(products, scale, sum);
            if (offsets != null) sum = TLane.MultiplyAdd(TLane.Load(offsets + segment.Group * TLane.Count), TLane.Broadcast(totals[s]), sum);
        }
        return sum;
    }
}
