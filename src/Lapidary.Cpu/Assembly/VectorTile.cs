using System.Runtime.CompilerServices;

namespace Lapidary.Cpu.Assembly;

/// <summary>Kernels over the panels of <see cref="PanelLayout"/> from .NET's own vectors.</summary>
internal static class VectorTile
{
    public static TileKernels For<TLane>(PanelLayout layout) where TLane : struct, IFloatLane<TLane> => layout.CodeBits switch
    {
        4 => new VectorTile<TLane, Codes4>(layout),
        5 => new VectorTile<TLane, Codes5>(layout),
        6 => new VectorTile<TLane, Codes6>(layout),
        _ => new VectorTile<TLane, Codes8>(layout),
    };
}

/// <summary>
/// As <see cref="IntegerTile"/>, some of a panel's 16 rows at a time: exact integer dot products of 4 columns, then
/// sum += (dot · activation scale) · weight scale, and for formats with offsets sum += offset · Σ activations.
/// </summary>
internal sealed unsafe class VectorTile<TLane, TCodes>(PanelLayout layout) : TileKernels
    where TLane : struct, IFloatLane<TLane>
    where TCodes : struct, IPanelCodes
{
    private const int TokensAtOnce = 4;

    public override void Run(int tokens, TileArguments* arguments)
    {
        float* rows = stackalloc float[TLane.Count];
        for (int first = 0; first < PanelLayout.Rows && arguments->RowMask >> first != 0; first += TLane.Count)
        {
            int present = Math.Min(TLane.Count, PanelLayout.Rows - first);
            while (((arguments->RowMask >> first) & ((nint)1 << (present - 1))) == 0) present--;
            int t = 0;
            for (; t + TokensAtOnce <= tokens; t += TokensAtOnce) Multiply<Four>(t, tokens, first, present, arguments, rows);
            for (; t < tokens; t++) Multiply<One>(t, tokens, first, present, arguments, rows);
        }
    }

    /// <summary>Rows from <paramref name="first"/> on times one or four tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Multiply<TTokens>(int token, int tokens, int first, int present, TileArguments* arguments, float* rows) where TTokens : struct, ITokens
    {
        byte* weights = arguments->Weights, block = weights;
        int bytes = layout.ActivationBytes, parts = layout.ScalesPerStep, quads = PanelLayout.Quads / parts;
        byte* x = arguments->Activations + token * bytes;
        TLane s0 = TLane.Zero, s1 = s0, s2 = s0, s3 = s0;
        for (int step = 0; step < arguments->Steps; step++, weights += layout.StepBytes, x += tokens * bytes)
        {
            if (layout.StepsPerBlock > 0 && step % layout.StepsPerBlock == 0)
            {
                block = weights;
                weights += layout.BlockBytes;
            }
            byte* x1 = x + bytes, x2 = x1 + bytes, x3 = x2 + bytes;
            for (int part = 0; part < parts; part++)
            {
                int term = PanelLayout.StepColumns + sizeof(float) * (1 + part);
                TLane d0 = Start(x, term), d1 = TLane.Zero, d2 = d1, d3 = d1, h0 = d1, h1 = d1, h2 = d1, h3 = d1;
                if (TTokens.Count > 1) (d1, d2, d3) = (Start(x1, term), Start(x2, term), Start(x3, term));
                for (int q = part * quads; q < (part + 1) * quads; q++)
                {
                    TLane codes = TCodes.Quad<TLane>(weights, q, first), top = codes;
                    if (TCodes.Bits == 8 && !TLane.DotsAnyByte) (codes, top) = (TLane.And(codes, 0x7f7f7f7f), TLane.And(TLane.ShiftRight(codes, 7), 0x01010101));
                    Dot(ref d0, ref h0, codes, top, x, q);
                    if (TTokens.Count == 1) continue;
                    Dot(ref d1, ref h1, codes, top, x1, q);
                    Dot(ref d2, ref h2, codes, top, x2, q);
                    Dot(ref d3, ref h3, codes, top, x3, q);
                }
                TLane scale = layout.Scale<TLane>(weights, block, part, first), offset = layout.Offset<TLane>(weights, block, part, first);
                s0 = Add(s0, d0, h0, scale, offset, x, term);
                if (TTokens.Count == 1) continue;
                s1 = Add(s1, d1, h1, scale, offset, x1, term);
                s2 = Add(s2, d2, h2, scale, offset, x2, term);
                s3 = Add(s3, d3, h3, scale, offset, x3, term);
            }
        }
        byte* output = (byte*)arguments->Output + token * arguments->OutputStride + sizeof(float) * first;
        Store(s0, present, (float*)output, rows);
        if (TTokens.Count == 1) return;
        Store(s1, present, (float*)(output + arguments->OutputStride), rows);
        Store(s2, present, (float*)(output + 2 * arguments->OutputStride), rows);
        Store(s3, present, (float*)(output + 3 * arguments->OutputStride), rows);
    }

    /// <summary>-zero point · Σ activations, or 0 where offsets hold it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private TLane Start(byte* x, int term) => layout.ZeroPoint == 0 ? TLane.Zero : TLane.Broadcast(*(float*)(x + term));

    /// <param name="h">Sums of the codes' top bits, where they are kept apart.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Dot(ref TLane d, ref TLane h, TLane codes, TLane top, byte* x, int quad)
    {
        TLane values = TLane.Broadcast(((float*)x)[quad]);
        d = TLane.DotBytes(d, codes, values);
        if (TCodes.Bits == 8 && !TLane.DotsAnyByte) h = TLane.DotBytes(h, top, values);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private TLane Add(TLane sum, TLane d, TLane h, TLane scale, TLane offset, byte* x, int term)
    {
        if (TCodes.Bits == 8 && !TLane.DotsAnyByte) d = TLane.AddInt32(d, TLane.ShiftLeft(h, 7));
        sum = TLane.MultiplyAdd(TLane.FromInt32(d) * TLane.Broadcast(*(float*)(x + PanelLayout.StepColumns)), scale, sum);
        return layout.HasOffsets ? TLane.MultiplyAdd(offset, TLane.Broadcast(*(float*)(x + term)), sum) : sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(TLane sum, int present, float* output, float* rows)
    {
        if (present == TLane.Count) TLane.Store(sum, output);
        else
        {
            TLane.Store(sum, rows);
            new ReadOnlySpan<float>(rows, present).CopyTo(new Span<float>(output, present));
        }
    }

    private interface ITokens
    {
        static abstract int Count { get; }
    }

    private readonly struct One : ITokens
    {
        public static int Count => 1;
    }

    private readonly struct Four : ITokens
    {
        public static int Count => TokensAtOnce;
    }
}
