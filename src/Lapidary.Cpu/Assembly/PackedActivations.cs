using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// Activations as int8 in the order a tile kernel reads them: tiles of up to 16 tokens, in a tile step by step, in a step
/// token by token: 32 values (or 16-bit ones, <see cref="Int8Form"/>), their scale, and a term for each weight scale of the step. A token's scale is its largest
/// magnitude of the 32 columns / 127, so a token's bytes do not depend on its neighbours.
/// </summary>
internal static unsafe class PackedActivations
{
    /// <summary>Tokens [from, to) of a batch of <paramref name="tokens"/>, columns [firstColumn, endColumn).</summary>
    /// <param name="x">[t, k], rows <paramref name="stride"/> apart</param>
    /// <param name="packed">The whole batch, from its first tile.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack<TLane>(Int8Form form, float* x, nint stride, int from, int to, int tokens, int firstColumn, int endColumn, byte* packed) where TLane : struct, IFloatLane<TLane>
    {
        int bytes = form.StepBytes;
        float* padded = stackalloc float[PanelLayout.StepColumns];
        for (int t = from; t < to; t++)
        {
            int tile = t / IntegerTile.MaxTokens * IntegerTile.MaxTokens, width = Math.Min(IntegerTile.MaxTokens, tokens - tile);
            byte* target = packed + tile * form.RowBytes + (t - tile) * bytes + (nint)firstColumn / PanelLayout.StepColumns * width * bytes;
            for (int column = firstColumn; column < endColumn; column += PanelLayout.StepColumns, target += width * bytes)
            {
                float* source = x + t * stride + column;
                if (endColumn - column < PanelLayout.StepColumns)
                {
                    new Span<float>(padded, PanelLayout.StepColumns).Clear();
                    new ReadOnlySpan<float>(source, endColumn - column).CopyTo(new Span<float>(padded, PanelLayout.StepColumns));
                    source = padded;
                }
                PackStep<TLane>(form, source, target);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PackStep<TLane>(Int8Form form, float* x, byte* target) where TLane : struct, IFloatLane<TLane>
    {
        const int half = PanelLayout.StepColumns / 2;
        TLane most = TLane.Abs(TLane.Load(x));
        for (int i = TLane.Count; i < PanelLayout.StepColumns; i += TLane.Count) most = TLane.Max(most, TLane.Abs(TLane.Load(x + i)));
        float largest = TLane.MaxElement(most), scale = largest / 127;
        TLane factor = TLane.Broadcast(largest > 0 ? 127 / largest : 0);

        // Sums of integers below 2^24 are exact in any order.
        TLane low = TLane.Zero, high = low;
        for (int i = 0; i < half; i += TLane.Count)
        {
            TLane a = TLane.Round(TLane.Load(x + i) * factor), b = TLane.Round(TLane.Load(x + half + i) * factor);
            TLane.StoreInt8(a, (sbyte*)target + i);
            TLane.StoreInt8(b, (sbyte*)target + half + i);
            low += a;
            high += b;
        }
        if (form.IsWide) Widen(target);
        *(float*)(target + form.ValueBytes) = scale;
        byte* terms = target + form.ValueBytes + 4;
        if (form.ScalesPerStep == 1) WriteTerm(form, terms, TLane.Sum(low + high), scale);
        else
        {
            WriteTerm(form, terms, TLane.Sum(low), scale);
            WriteTerm(form, terms + 4, TLane.Sum(high), scale);
        }
    }

    /// <summary>A step's values where they lie to 16 bits: the even ones, then the odd ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(byte* values)
    {
        Vector256<short> pairs = Vector256.Load((short*)values);
        ((pairs << 8) >> 8).Store((short*)values);
        (pairs >> 8).Store((short*)(values + PanelLayout.StepColumns));
    }

    /// <summary>-zero point · Σ to begin the integer sum with, or with offsets Σ in the activations' own unit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WriteTerm(Int8Form form, byte* term, float sum, float scale)
    {
        if (form.HasOffsets) *(float*)term = sum * scale;
        else *(int*)term = -form.ZeroPoint * (int)sum;
    }
}
