using System.Runtime.InteropServices;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// How void kernel(TileArguments*) begins and ends on Linux and Windows. Kernels use only registers that both conventions
/// let a callee change (rax, rdx, r8 to r11, and rcx, which holds the arguments on Windows, once they are loaded), and on Windows
/// xmm6 to xmm15 are kept.
/// </summary>
internal static class AssemblyConvention
{
    private const int FirstKept = 6, LastKept = 15, KeptBytes = 168;

    /// <summary>Holds the arguments until the kernel changes it.</summary>
    public static AssemblerRegister64 Arguments => OperatingSystem.IsWindows() ? rcx : rdi;

    /// <summary>Saves registers that the caller needs, before anything else; <see cref="End"/> gives them back.</summary>
    public static void Keep(Assembler code, params ReadOnlySpan<AssemblerRegister64> registers)
    {
        foreach (AssemblerRegister64 register in registers) code.push(register);
    }

    public static void Begin(Assembler code, params ReadOnlySpan<(AssemblerRegister64 Register, string Field)> loads)
    {
        bool windows = OperatingSystem.IsWindows();
        if (windows)
        {
            code.sub(rsp, KeptBytes);
            for (int i = FirstKept; i <= LastKept; i++) code.vmovups(__xmmword_ptr[rsp + 16 * (i - FirstKept)], Xmm(i));
        }
        Load(code, loads);
    }

    /// <summary>Loads fields of the arguments.</summary>
    public static void Load(Assembler code, params ReadOnlySpan<(AssemblerRegister64 Register, string Field)> loads)
    {
        foreach ((AssemblerRegister64 register, string field) in loads)
            code.mov(register, __qword_ptr[Arguments + Offset(field)]);
    }

    /// <summary>Sums begin with 0, or with what is in the output where <see cref="TileArguments.Resumes"/> says so.</summary>
    public static void BeginSums(Assembler code, Action clear, Action load)
    {
        Label resume = code.CreateLabel(), begun = code.CreateLabel();
        code.cmp(__qword_ptr[Arguments + Offset(nameof(TileArguments.Resumes))], 0);
        code.jne(resume);
        clear();
        code.jmp(begun);
        code.Label(ref resume);
        load();
        code.Label(ref begun);
    }

    /// <summary>Of a field of the arguments, in bytes.</summary>
    public static int Offset(string field) => (int)Marshal.OffsetOf<TileArguments>(field);

    /// <summary>Ends the kernel and gives its bytes.</summary>
    /// <param name="constants">Writes what lies behind the kernel.</param>
    /// <param name="kept">What <see cref="Keep"/> was given.</param>
    public static byte[] End(Assembler code, Action? constants = null, params ReadOnlySpan<AssemblerRegister64> kept)
    {
        if (OperatingSystem.IsWindows())
        {
            for (int i = FirstKept; i <= LastKept; i++) code.vmovups(Xmm(i), __xmmword_ptr[rsp + 16 * (i - FirstKept)]);
            code.add(rsp, KeptBytes);
        }
        for (int i = kept.Length - 1; i >= 0; i--) code.pop(kept[i]);
        code.vzeroupper();
        code.ret();
        constants?.Invoke();
        using MemoryStream bytes = new();
        code.Assemble(new StreamCodeWriter(bytes), rip: 0);
        return bytes.ToArray();
    }

    private static AssemblerRegisterXMM Xmm(int i) => new(Register.XMM0 + i);
}
