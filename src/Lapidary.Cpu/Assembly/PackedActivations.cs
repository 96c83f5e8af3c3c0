using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// Activations as int8 in the order a tile kernel reads them: tiles of up to 16 tokens, in a tile step by step, in a step
/// token by token: 32 values, their scale, and a term for each weight scale of the step. A token's scale is its largest
/// magnitude of the 32 columns / 127, so a token's bytes do not depend on its neighbours.
/// </summary>
internal static unsafe class PackedActivations
{
    /// <summary>Tokens [from, to) of a batch of <paramref name="tokens"/>.</summary>
    /// <param name="x">[t, k], rows <paramref name="stride"/> apart</param>
    /// <param name="packed">The whole batch, from its first tile.</param>
    public static void Pack(Int8Form form, float* x, nint stride, int from, int to, int tokens, byte* packed)
    {
        int steps = form.Steps, bytes = form.StepBytes;
        for (int t = from; t < to; t++)
        {
            int tile = t / IntegerTile.MaxTokens * IntegerTile.MaxTokens, width = Math.Min(IntegerTile.MaxTokens, tokens - tile);
            byte* target = packed + (nint)tile * steps * bytes + (t - tile) * bytes;
            for (int step = 0; step < steps; step++, target += width * bytes)
                PackStep(form, x + t * stride + step * PanelLayout.StepColumns, form.Columns - step * PanelLayout.StepColumns, target);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PackStep(Int8Form form, float* x, int columns, byte* target)
    {
        Vector512<float> low, high;
        if (columns >= PanelLayout.StepColumns)
        {
            low = Vector512.Load(x);
            high = Vector512.Load(x + 16);
        }
        else
        {
            float* padded = stackalloc float[PanelLayout.StepColumns];
            new Span<float>(padded, PanelLayout.StepColumns).Clear();
            new ReadOnlySpan<float>(x, columns).CopyTo(new Span<float>(padded, columns));
            low = Vector512.Load(padded);
            high = Vector512.Load(padded + 16);
        }

        float largest = Largest(Vector512.Max(Vector512.Abs(low), Vector512.Abs(high)));
        float scale = largest / 127, inverse = largest > 0 ? 127 / largest : 0;
        Vector512<float> factor = Vector512.Create(inverse);
        Vector512<int> lowInts = Avx512F.ConvertToVector512Int32(low * factor), highInts = Avx512F.ConvertToVector512Int32(high * factor);
        Avx512F.ConvertToVector128SByteWithSaturation(lowInts).Store((sbyte*)target);
        Avx512F.ConvertToVector128SByteWithSaturation(highInts).Store((sbyte*)target + 16);
        *(float*)(target + PanelLayout.StepColumns) = scale;
        int lowSum = Vector512.Sum(lowInts), highSum = Vector512.Sum(highInts);
        byte* terms = target + PanelLayout.StepColumns + 4;
        if (form.ScalesPerStep == 1) WriteTerm(form, terms, lowSum + highSum, scale);
        else
        {
            WriteTerm(form, terms, lowSum, scale);
            WriteTerm(form, terms + 4, highSum, scale);
        }
    }

    /// <summary>-zero point · Σ to begin the integer sum with, or with offsets Σ in the activations' own unit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WriteTerm(Int8Form form, byte* term, int sum, float scale)
    {
        if (form.HasOffsets) *(float*)term = sum * scale;
        else *(int*)term = -form.ZeroPoint * sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Largest(Vector512<float> v)
    {
        Vector256<float> half = Vector256.Max(v.GetLower(), v.GetUpper());
        Vector128<float> quarter = Vector128.Max(half.GetLower(), half.GetUpper());
        quarter = Vector128.Max(quarter, Vector128.Shuffle(quarter, Vector128.Create(2, 3, 0, 1)));
        return MathF.Max(quarter.GetElement(0), quarter.GetElement(1));
    }
}
