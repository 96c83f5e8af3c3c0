namespace Lapidary.Cpu;

/// <summary>An activation closed over its type at load, so that the kernel loop holds its formula and no switch.</summary>
internal abstract unsafe class CpuActivation : IGatedActivation
{
    public abstract Activation Activation { get; }

    /// <summary>output[i] = combine(gate[i], up[i]); output may be gate.</summary>
    public abstract void Combine(float* gate, float* up, float* output, int n);

    public static CpuActivation Load(Activation activation) => activation.Accept(new Loader(activation));

    private sealed class Loader(Activation activation) : IActivationVisitor<CpuActivation>
    {
        public CpuActivation Visit<TActivation>(TActivation parameters)
            where TActivation : struct, IActivation<TActivation> => new Of<TActivation>(activation, parameters);
    }

    private sealed class Of<TActivation>(Activation activation, TActivation parameters) : CpuActivation
        where TActivation : struct, IActivation<TActivation>
    {
        public override Activation Activation => activation;

        public override void Combine(float* gate, float* up, float* output, int n)
            => GatedActivation.Run(parameters, new ReadOnlySpan<float>(gate, n), new ReadOnlySpan<float>(up, n), new Span<float>(output, n));
    }
}
