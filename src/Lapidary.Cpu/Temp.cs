namespace Lapidary.Cpu;
internal static class GatedActivation
{
    public static void Run<T>(T a, ReadOnlySpan<float> g, ReadOnlySpan<float> u, Span<float> o) where T : struct, IActivation<T>
    { for (int i = 0; i < o.Length; i++) o[i] = T.Combine(a, new L(g[i]), new L(u[i])).V; }
    private readonly struct L(double v) : ILane<L>
    {
        public readonly float V => (float)v;
        private readonly double v = v;
        public static L Const(double c) => new(c);
        public static L operator +(L a, L b) => new(a.v + b.v);
        public static L operator -(L a, L b) => new(a.v - b.v);
        public static L operator *(L a, L b) => new(a.v * b.v);
        public static L operator /(L a, L b) => new(a.v / b.v);
        public static L Abs(L a) => new(Math.Abs(a.v));
        public static L Min(L a, L b) => new(Math.Min(a.v, b.v));
        public static L Max(L a, L b) => new(Math.Max(a.v, b.v));
        public static L CopySign(L a, L b) => new(Math.CopySign(a.v, b.v));
        public static L Exp(L a) => new(Math.Exp(a.v));
        public static L Tanh(L a) => new(Math.Tanh(a.v));
        public static L Erf(L a) { double x = Math.Abs(a.v), r; if (x < 3) { double t = x, s = x; for (int n = 1; n < 60; n++) { t *= -x * x / n; s += t / (2 * n + 1); } r = 2 / Math.Sqrt(Math.PI) * s; } else { double f = 0; for (int n = 60; n >= 1; n--) f = n / 2.0 / (x + f); r = 1 - Math.Exp(-x * x) / Math.Sqrt(Math.PI) / (x + f); } return new(Math.CopySign(r, a.v)); }
    }
}
internal static class TempCap { public static void Softcap(Span<float> x, float cap) { for (int i = 0; i < x.Length; i++) x[i] = MathF.Tanh(x[i] / cap) * cap; } }
