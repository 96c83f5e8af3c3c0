using System.Runtime.CompilerServices;
using Lapidary.Checkpoints;
using Lapidary.Cpu.Gemm;

namespace Lapidary.Cpu.Lora;

/// <summary>Bᵀ of a low-rank update, a row of output features for each rank; closed over element type and vector width at load.</summary>
internal abstract unsafe class RankRows
{
    /// <summary>output[c] += Σ over ranks j of u[j] · row[j][c], for c in [from, to). Ranks in ascending order, whatever the range.</summary>
    /// <param name="u">[ranks]</param>
    public abstract void AddTo(float* u, int from, int to, float* output);

    /// <param name="tensor">[ranks, out], F32 or BF16</param>
    public static RankRows Load(StoredTensor tensor) => CpuFeatures.VectorBits switch
    {
        512 => Load<V16>(tensor),
        256 => Load<V8>(tensor),
        128 => Load<V4>(tensor),
        _ => Load<V1>(tensor),
    };

    private static RankRows Load<TLane>(StoredTensor tensor) where TLane : struct, IFloatLane<TLane>
        => tensor.DType == DType.BF16 ? new Of<TLane, BFloat16>(tensor) : new Of<TLane, Float32>(tensor);

    private sealed class Of<TLane, TWeight>(StoredTensor tensor) : RankRows
        where TLane : struct, IFloatLane<TLane>
        where TWeight : unmanaged, IWeightElement<TWeight>
    {
        private readonly int ranks = (int)tensor.Shape[0], columns = (int)tensor.Shape[1];

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public override void AddTo(float* u, int from, int to, float* output)
        {
            TWeight* rows = (TWeight*)tensor.Address;
            int width = TLane.Count, c = from;
            for (; c <= to - 4 * width; c += 4 * width)
            {
                float* y = output + c;
                TLane s0 = TLane.Load(y), s1 = TLane.Load(y + width), s2 = TLane.Load(y + 2 * width), s3 = TLane.Load(y + 3 * width);
                TWeight* row = rows + c;
                for (int j = 0; j < ranks; j++, row += columns)
                {
                    TLane factor = TLane.Broadcast(u[j]);
                    s0 = TLane.MultiplyAdd(TWeight.Load<TLane>(row), factor, s0);
                    s1 = TLane.MultiplyAdd(TWeight.Load<TLane>(row + width), factor, s1);
                    s2 = TLane.MultiplyAdd(TWeight.Load<TLane>(row + 2 * width), factor, s2);
                    s3 = TLane.MultiplyAdd(TWeight.Load<TLane>(row + 3 * width), factor, s3);
                }
                TLane.Store(s0, y);
                TLane.Store(s1, y + width);
                TLane.Store(s2, y + 2 * width);
                TLane.Store(s3, y + 3 * width);
            }
            for (; c <= to - width; c += width) AddOne<TLane>(rows + c, u, output + c);
            for (; c < to; c++) AddOne<V1>(rows + c, u, output + c);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void AddOne<T>(TWeight* row, float* u, float* output) where T : struct, IFloatLane<T>
        {
            T sum = T.Load(output);
            for (int j = 0; j < ranks; j++, row += columns) sum = T.MultiplyAdd(TWeight.Load<T>(row), T.Broadcast(u[j]), sum);
            T.Store(sum, output);
        }
    }
}
