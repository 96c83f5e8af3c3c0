namespace Lapidary.Quantization.Encoding;

/// <summary>Rounding to the numbers of a small float: to nearest, ties to the even code, past the largest to the largest.</summary>
internal sealed class SmallFloats
{
    public static SmallFloats E4M3 { get; } = new(CodeType.E4M3, mantissaBits: 3, bias: 7, largestCode: 0x7e);
    public static SmallFloats E2M1 { get; } = new(CodeType.E2M1, mantissaBits: 1, bias: 1, largestCode: 7);

    private readonly CodeType type;
    private readonly int sign, mantissaBits, bias, largestCode;

    private SmallFloats(CodeType type, int mantissaBits, int bias, int largestCode)
    {
        this.type = type;
        this.mantissaBits = mantissaBits;
        this.bias = bias;
        this.largestCode = largestCode;
        sign = 1 << (type.Bits - 1);
    }

    public float Largest => type.Values[largestCode];

    /// <summary>Smallest magnitude above 0.</summary>
    public float Smallest => type.Values[1];

    /// <param name="value">Finite.</param>
    public byte Code(float value)
    {
        float magnitude = Math.Min(Math.Abs(value), Largest);
        // Steps are 2^(exponent - mantissaBits); below the smallest normal number they stay what they are there. Counted in
        // steps, codes of one binade follow those of the last.
        int exponent = Math.Max((BitConverter.SingleToInt32Bits(magnitude) >> 23) - 127, 1 - bias);
        float steps = magnitude * BitConverter.Int32BitsToSingle((127 + mantissaBits - exponent) << 23);
        int code = ((exponent + bias - 1) << mantissaBits) + (int)MathF.Round(steps);
        return (byte)(value < 0 ? code | sign : code);
    }

    public float Value(byte code) => type.Values[code];
}
