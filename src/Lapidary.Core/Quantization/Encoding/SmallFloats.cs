namespace Lapidary.Quantization.Encoding;

/// <summary>Rounding to the numbers of a code type: to nearest, ties to the even code, past the largest to the largest.</summary>
internal sealed class SmallFloats
{
    public static SmallFloats E4M3 { get; } = new(CodeType.E4M3);
    public static SmallFloats E2M1 { get; } = new(CodeType.E2M1);

    private readonly float[] magnitudes;   // ascending, of codes 0, 1, 2 …
    private readonly int sign;

    private SmallFloats(CodeType type)
    {
        sign = 1 << (type.Bits - 1);
        magnitudes = [.. type.Values[..sign].ToArray().TakeWhile(float.IsFinite)];
    }

    public float Largest => magnitudes[^1];

    /// <summary>Smallest magnitude above 0.</summary>
    public float Smallest => magnitudes[1];

    public byte Code(float value)
    {
        float magnitude = Math.Abs(value);
        int low = 0, high = magnitudes.Length - 1;
        while (low < high)   // the first that is not below
        {
            int middle = (low + high) >> 1;
            if (magnitudes[middle] < magnitude) low = middle + 1;
            else high = middle;
        }
        if (low > 0)
        {
            float up = magnitudes[low] - magnitude, down = magnitude - magnitudes[low - 1];
            if (down < up || (down == up && ((low - 1) & 1) == 0)) low--;
        }
        return (byte)(value < 0 ? low | sign : low);
    }

    public float Value(byte code) => (code & sign) != 0 ? -magnitudes[code & (sign - 1)] : magnitudes[code];
}
