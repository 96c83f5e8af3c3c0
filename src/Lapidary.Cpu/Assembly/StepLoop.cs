using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Lapidary.Cpu.Assembly;

/// <summary>The loop of a tile kernel over the steps of a panel, and over its blocks where scales have factors.</summary>
internal static class StepLoop
{
    private const int Near = 4096; // bytes; what lies there is asked for once more

    /// <param name="weights">Points to the panel, then to each step.</param>
    /// <param name="blockScales">Is made to point to the block's scales.</param>
    /// <param name="step">Writes one step; rax, which counts steps at the start, and rcx are the loop's.</param>
    /// <param name="beginBlock">Writes what comes before the steps of a block.</param>
    public static void Write(Assembler code, PanelLayout layout, AssemblerRegister64 weights, AssemblerRegister64 blockScales, Action step, Action? beginBlock = null)
    {
        Label block = code.CreateLabel(), loop = code.CreateLabel();
        if (layout.StepsPerBlock > 0)
        {
            code.Label(ref block);
            code.mov(blockScales, weights);
            code.add(weights, layout.BlockBytes);
            code.mov(ecx, layout.StepsPerBlock);
            beginBlock?.Invoke();
        }
        code.Label(ref loop);
        step();
        code.add(weights, layout.StepBytes);
        code.dec(layout.StepsPerBlock > 0 ? rcx : rax);
        code.jnz(loop);
        if (layout.StepsPerBlock == 0) return;
        code.sub(rax, layout.StepsPerBlock);
        code.jnz(block);
    }

    /// <summary>
    /// Asks for the same step of the panel that comes next: while many tokens are multiplied, the processor does not
    /// foresee it. With one or two tokens AMD's do where dot products are single instructions; Intel's read up to a quarter slower
    /// unasked, and AVX2 has twice as many instructions in flight.
    /// </summary>
    public static void AskAhead(Assembler code, PanelLayout layout, AssemblerRegister64 ahead)
    {
        for (int line = 0; line < layout.StepBytes; line += PanelLayout.Register) code.prefetcht1(__byte_ptr[ahead + line]);
        code.add(ahead, layout.StepBytes);
    }

    /// <summary>Asks for what the second cache has by then, after <see cref="AskAhead"/>.</summary>
    public static void AskNear(Assembler code, PanelLayout layout, AssemblerRegister64 weights)
    {
        for (int line = 0; line < layout.StepBytes; line += PanelLayout.Register) code.prefetcht0(__byte_ptr[weights + (Near + line)]);
    }
}
