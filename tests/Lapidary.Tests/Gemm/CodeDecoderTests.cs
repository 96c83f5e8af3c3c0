using Lapidary.Cpu.Gemm;
using Lapidary.Quantization;

namespace Lapidary.Tests.Gemm;

/// <summary>Codes become the numbers of their table in registers of every width.</summary>
public sealed unsafe class CodeDecoderTests
{
    public static TheoryData<string> Names() => [.. CodeType.All.Select(c => c.Name)];

    private static CodeType Named(string name) => CodeType.All.Single(c => c.Name == name);

    /// <summary>The number of every code, at one width.</summary>
    private sealed class Numbers<TLane>(CodeType code) : ICodeVisitor<float[]> where TLane : struct, IFloatLane<TLane>
    {
        public float[] Visit<TBits, TDecoder>(TDecoder decoder) where TBits : struct, IBitWidth where TDecoder : struct, ICodeDecoder
        {
            Assert.Equal(code.Bits, TBits.Bits);
            var numbers = new float[code.Values.Length + TLane.Count];
            var codes = Enumerable.Range(0, numbers.Length).Select(c => c % code.Values.Length).ToArray();
            fixed (int* source = codes)
            fixed (float* target = numbers)
                for (int c = 0; c < code.Values.Length; c += TLane.Count)
                    TLane.Store(decoder.Decode(TLane.Load((float*)(source + c))) + TLane.Broadcast(decoder.Origin), target + c);
            return numbers[..code.Values.Length];
        }
    }

    private sealed class Chosen : ICodeVisitor<Type>
    {
        public Type Visit<TBits, TDecoder>(TDecoder decoder) where TBits : struct, IBitWidth where TDecoder : struct, ICodeDecoder => typeof(TDecoder);
    }

    [Theory, MemberData(nameof(Names))]
    public void Every_width_gives_every_finite_number_exactly(string name)
    {
        CodeType code = Named(name);
        float[][] widths =
        [
            CodeDecoder.Accept(code, new Numbers<V1>(code)), CodeDecoder.Accept(code, new Numbers<V4>(code)),
            CodeDecoder.Accept(code, new Numbers<V8>(code)), CodeDecoder.Accept(code, new Numbers<V16>(code)),
        ];
        foreach (float[] numbers in widths)
            for (int c = 0; c < numbers.Length; c++)
                if (float.IsFinite(code.Values[c])) Assert.Equal(code.Values[c], numbers[c]);
    }

    [Fact]
    public void The_cheapest_rule_that_gives_the_table_is_chosen()
    {
        Assert.Equal(typeof(IntegerCodes<>), CodeDecoder.Accept(CodeType.UInt(3), new Chosen()).GetGenericTypeDefinition());
        Assert.Equal(typeof(IntegerCodes<>), CodeDecoder.Accept(CodeType.Int(8), new Chosen()).GetGenericTypeDefinition());
        Assert.Equal(typeof(SmallTableCodes<>), CodeDecoder.Accept(CodeType.E2M1, new Chosen()).GetGenericTypeDefinition());
        foreach (CodeType code in (CodeType[])[CodeType.E2M3, CodeType.E3M2, CodeType.E4M3, CodeType.E5M2])
            Assert.Equal(typeof(FloatCodes<,>), CodeDecoder.Accept(code, new Chosen()).GetGenericTypeDefinition());
    }

    [Fact]
    public void A_table_that_no_rule_gives_is_looked_up()
    {
        float[] table = [.. Enumerable.Range(0, 32).Select(i => MathF.Sqrt(i) - 2)];
        fixed (float* pinned = table)
        {
            TableCodes<Bits5> decoder = new(pinned);
            int[] codes = [31, 0, 7, 16, 3, 9, 30, 1, 2, 4, 5, 6, 8, 10, 11, 12];
            float* source = stackalloc float[16], result = stackalloc float[16];
            for (int i = 0; i < 16; i++) source[i] = BitConverter.Int32BitsToSingle(codes[i]);
            V16.Store(decoder.Decode(V16.Load(source)), result);
            Assert.Equal(codes.Select(c => table[c]), new ReadOnlySpan<float>(result, 16).ToArray());
        }
    }
}
