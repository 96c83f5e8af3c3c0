using System.Globalization;

namespace Lapidary;

/// <summary>CUDA C++ text of a float expression, spliced into every GPU kernel that applies the formula.</summary>
public readonly struct CudaText(string text) : ILane<CudaText>
{
    public string Text { get; } = text;

    public static CudaText Const(double c)
    {
        string digits = ((float)c).ToString("R", CultureInfo.InvariantCulture);
        return new(digits.AsSpan().IndexOfAny('.', 'E') >= 0 ? $"{digits}f" : $"{digits}.0f");
    }

    public static CudaText operator +(CudaText a, CudaText b) => new($"({a.Text} + {b.Text})");
    public static CudaText operator -(CudaText a, CudaText b) => new($"({a.Text} - {b.Text})");
    public static CudaText operator *(CudaText a, CudaText b) => new($"({a.Text} * {b.Text})");
    public static CudaText operator /(CudaText a, CudaText b) => new($"({a.Text} / {b.Text})");
    public static CudaText Abs(CudaText a) => new($"fabsf({a.Text})");
    public static CudaText Min(CudaText a, CudaText b) => new($"fminf({a.Text}, {b.Text})");
    public static CudaText Max(CudaText a, CudaText b) => new($"fmaxf({a.Text}, {b.Text})");
    public static CudaText CopySign(CudaText magnitude, CudaText sign) => new($"copysignf({magnitude.Text}, {sign.Text})");
    public static CudaText Exp(CudaText a) => new($"expf({a.Text})");
    public static CudaText Tanh(CudaText a) => new($"tanhf({a.Text})");
    public static CudaText Erf(CudaText a) => new($"erff({a.Text})");
}
