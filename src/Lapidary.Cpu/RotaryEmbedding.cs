namespace Lapidary.Cpu;

/// <summary>Rotary position embedding of pairs (i, i + headDim/2), as HuggingFace's rotate_half.</summary>
internal static unsafe class RotaryEmbedding
{
    /// <summary>cosSin[t] = cos(p·f) for n frequencies, then sin; the angle is one float32 product, as in HuggingFace.</summary>
    public static void Table(CpuBuffer positions, CpuBuffer frequencies, CpuBuffer cosSin)
    {
        int n = frequencies.Columns;
        float* f = frequencies.Row(0);
        for (int t = 0; t < positions.Rows; t++)
        {
            float position = positions.IntRow(t)[0];
            float* cos = cosSin.Row(t), sin = cos + n;
            for (int i = 0; i < n; i++) (sin[i], cos[i]) = MathF.SinCos(position * f[i]);
        }
    }

    /// <summary>Rotates every head of every row in place; pairs beyond the table's frequencies do not turn.</summary>
    public static void Rotate(CpuBuffer x, CpuBuffer cosSin, int headDim)
    {
        int n = cosSin.Columns / 2, half = headDim / 2;
        for (int t = 0; t < x.Rows; t++)
        {
            float* cos = cosSin.Row(t), sin = cos + n, row = x.Row(t);
            for (int head = 0; head < x.Columns; head += headDim)
            {
                float* a = row + head, b = a + half;
                for (int i = 0; i < n; i++)
                {
                    float first = a[i], second = b[i];
                    a[i] = first * cos[i] - second * sin[i];
                    b[i] = second * cos[i] + first * sin[i];
                }
            }
        }
    }
}
