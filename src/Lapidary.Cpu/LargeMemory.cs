namespace Lapidary.Cpu;

/// <summary>Memory of <see cref="LargePages"/> that is freed when it is disposed of, or with the object that holds it.</summary>
internal sealed unsafe class LargeMemory(nuint bytes) : IDisposable
{
    /// <summary>Uninitialised; null once it is freed.</summary>
    public byte* Address { get; private set; } = (byte*)LargePages.Allocate(bytes);

    ~LargeMemory() => Free();

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (Address == null) return;
        LargePages.Free(Address);
        Address = null;
    }
}
