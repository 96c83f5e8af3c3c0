using Iced.Intel;

namespace Lapidary.Tests.Cpu.Assembly;

internal static class Disassembly
{
    /// <summary>A kernel's instructions up to its return.</summary>
    public static IEnumerable<Instruction> Of(byte[] kernel)
    {
        Decoder decoder = Decoder.Create(64, kernel);
        Instruction instruction;
        do
        {
            instruction = decoder.Decode();
            yield return instruction;
        }
        while (instruction.Mnemonic != Mnemonic.Ret);
    }

    public static void IsOfAvx2(Instruction instruction)
    {
        Assert.NotEqual(Code.INVALID, instruction.Code);
        Assert.NotEqual(EncodingKind.EVEX, instruction.Encoding);
        Assert.DoesNotContain(CpuidFeature.AVX_VNNI, instruction.CpuidFeatures);
    }
}
