using System.Runtime.CompilerServices;

namespace Lapidary.Cpu;

/// <summary>Loops over one row.</summary>
internal static unsafe class ElementWise
{
    /// <summary>output += x · factor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddScaled<TLane>(float* x, float factor, float* output, int n) where TLane : struct, IFloatLane<TLane>
    {
        TLane factors = TLane.Const(factor);
        int i = 0;
        for (; i <= n - TLane.Count; i += TLane.Count)
            TLane.Store(TLane.MultiplyAdd(TLane.Load(x + i), factors, TLane.Load(output + i)), output + i);
        for (; i < n; i++) output[i] += x[i] * factor;
    }

    /// <summary>output += x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add<TLane>(float* x, float* output, int n) where TLane : struct, IFloatLane<TLane>
    {
        int i = 0;
        for (; i <= n - TLane.Count; i += TLane.Count) TLane.Store(TLane.Load(output + i) + TLane.Load(x + i), output + i);
        for (; i < n; i++) output[i] += x[i];
    }

    /// <summary>x = e^(x - max); returns the sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ExpSum<TLane>(float* x, float max, int n) where TLane : struct, IFloatLane<TLane>
    {
        TLane maxima = TLane.Const(max), sums = TLane.Zero;
        int i = 0;
        for (; i <= n - TLane.Count; i += TLane.Count)
        {
            TLane value = TLane.Exp(TLane.Load(x + i) - maxima);
            TLane.Store(value, x + i);
            sums += value;
        }
        float sum = TLane.Sum(sums);
        for (; i < n; i++) sum += x[i] = V1.Exp(new V1(x[i] - max)).Value;
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Max<TLane>(float* x, int n) where TLane : struct, IFloatLane<TLane>
    {
        float max = float.NegativeInfinity;
        int i = 0;
        if (n >= TLane.Count)
        {
            TLane maxima = TLane.Load(x);
            for (i = TLane.Count; i <= n - TLane.Count; i += TLane.Count) maxima = TLane.Max(maxima, TLane.Load(x + i));
            max = TLane.MaxElement(maxima);
        }
        for (; i < n; i++) max = MathF.Max(max, x[i]);
        return max;
    }

    /// <summary>x *= factor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scale<TLane>(float* x, float factor, int n) where TLane : struct, IFloatLane<TLane> => Scale<TLane>(x, factor, x, n);

    /// <summary>output = x · factor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scale<TLane>(float* x, float factor, float* output, int n) where TLane : struct, IFloatLane<TLane>
    {
        TLane factors = TLane.Const(factor);
        int i = 0;
        for (; i <= n - TLane.Count; i += TLane.Count) TLane.Store(TLane.Load(x + i) * factors, output + i);
        for (; i < n; i++) output[i] = x[i] * factor;
    }
}

/// <summary>residual += x.</summary>
internal readonly unsafe struct AddJob(CpuBuffer x, CpuBuffer residual) : IParallelJob
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        (int from, int to) = Share.Of(x.Rows, worker, workers);
        for (int t = from; t < to; t++) ElementWise.Add<TLane>(x.Row(t), residual.Row(t), x.Columns);
    }
}

/// <summary>output = activation(gate, up); rows are shared out, or the columns of a few.</summary>
internal readonly unsafe struct ActivateJob(CpuActivation activation, CpuBuffer gate, CpuBuffer up, CpuBuffer output) : IParallelJob
{
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        bool few = gate.Rows < workers * 4;
        (int first, int end) = few ? (0, gate.Rows) : Share.Of(gate.Rows, worker, workers);
        (int from, int to) = few ? Share.Of(gate.Columns, worker, workers, grain: 16) : (0, gate.Columns);
        for (int t = first; t < end; t++) activation.Combine(gate.Row(t) + from, up.Row(t) + from, output.Row(t) + from, to - from);
    }
}

/// <summary>x[t] += bias.</summary>
internal readonly unsafe struct AddBiasJob(CpuBuffer bias, CpuBuffer x) : IParallelJob
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        (int from, int to) = Share.Of(x.Rows, worker, workers);
        for (int t = from; t < to; t++) ElementWise.Add<TLane>(bias.Row(0), x.Row(t), x.Columns);
    }
}

/// <summary>x *= factor.</summary>
internal readonly unsafe struct ScaleJob(CpuBuffer x, float factor) : IParallelJob
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        (int from, int to) = Share.Of(x.Rows, worker, workers);
        for (int t = from; t < to; t++) ElementWise.Scale<TLane>(x.Row(t), factor, x.Columns);
    }
}

/// <summary>x = tanh(x / cap) · cap; columns are shared out, since a step has few rows and the vocabulary is wide.</summary>
internal readonly unsafe struct SoftcapJob(CpuBuffer x, float cap) : IParallelJob
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        (int from, int to) = Share.Of(x.Columns, worker, workers, grain: 16);
        TLane caps = TLane.Const(cap);
        for (int t = 0; t < x.Rows; t++)
        {
            float* row = x.Row(t);
            int i = from;
            for (; i <= to - TLane.Count; i += TLane.Count) TLane.Store(TLane.Tanh(TLane.Load(row + i) / caps) * caps, row + i);
            for (; i < to; i++) row[i] = (V1.Tanh(new V1(row[i] / cap)) * new V1(cap)).Value;
        }
    }
}
