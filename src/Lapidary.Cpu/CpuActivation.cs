using System.Runtime.CompilerServices;

namespace Lapidary.Cpu;

/// <summary>An activation closed over its type and the vector width at load, so that the loop holds its formula and no switch.</summary>
internal abstract unsafe class CpuActivation : IGatedActivation
{
    public abstract Activation Activation { get; }

    /// <summary>output[i] = combine(gate[i], up[i]); output may be gate.</summary>
    public abstract void Combine(float* gate, float* up, float* output, int n);

    /// <summary>output[i] = apply(x[i]), the non-gated form; output may be x.</summary>
    public abstract void Apply(float* x, float* output, int n);

    public static CpuActivation Load(Activation activation) => CpuFeatures.VectorBits switch
    {
        512 => Load<V16>(activation),
        256 => Load<V8>(activation),
        128 => Load<V4>(activation),
        _ => Load<V1>(activation),
    };

    /// <summary>With a width of choice, for tests and benchmarks.</summary>
    public static CpuActivation Load<TLane>(Activation activation) where TLane : struct, IFloatLane<TLane>
        => activation.Accept(new Loader<TLane>(activation));

    private sealed class Loader<TLane>(Activation activation) : IActivationVisitor<CpuActivation>
        where TLane : struct, IFloatLane<TLane>
    {
        public CpuActivation Visit<TActivation>(TActivation parameters)
            where TActivation : struct, IActivation<TActivation> => new Of<TLane, TActivation>(activation, parameters);
    }

    private sealed class Of<TLane, TActivation>(Activation activation, TActivation parameters) : CpuActivation
        where TLane : struct, IFloatLane<TLane>
        where TActivation : struct, IActivation<TActivation>
    {
        public override Activation Activation => activation;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public override void Combine(float* gate, float* up, float* output, int n)
        {
            TActivation local = parameters;
            int i = 0;
            for (; i <= n - TLane.Count; i += TLane.Count)
                TLane.Store(TActivation.Combine(local, TLane.Load(gate + i), TLane.Load(up + i)), output + i);
            for (; i < n; i++) output[i] = TActivation.Combine(local, new V1(gate[i]), new V1(up[i])).Value;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public override void Apply(float* x, float* output, int n)
        {
            TActivation local = parameters;
            int i = 0;
            for (; i <= n - TLane.Count; i += TLane.Count)
                TLane.Store(TActivation.Apply(local, TLane.Load(x + i)), output + i);
            for (; i < n; i++) output[i] = TActivation.Apply(local, new V1(x[i])).Value;
        }
    }
}
