namespace Lapidary.Cpu.Assembly;

/// <summary>Multiplies tiles: some weight rows with some tokens.</summary>
internal abstract unsafe class TileKernels
{
    /// <summary>Whether 8-bit hidden states are read in 16 bits (<see cref="Int8Form.IsWide"/>).</summary>
    public virtual bool ReadsWide => false;

    /// <summary>Multiplies one tile.</summary>
    public abstract void Run(int tokens, TileArguments* arguments);
}

/// <summary>Kernels of one kind, one for each number of tokens from 1 on, assembled when the kind is first needed.</summary>
internal sealed unsafe class AssembledKernels : TileKernels, IDisposable
{
    private readonly ExecutableMemory[] memory;
    private readonly delegate* unmanaged[SuppressGCTransition]<TileArguments*, void>[] kernels;

    /// <param name="assemble">The machine code for that many tokens.</param>
    /// <exception cref="BackendException">The system refuses executable memory.</exception>
    public AssembledKernels(int maxTokens, Func<int, byte[]> assemble, bool readsWide = false)
    {
        ReadsWide = readsWide;
        memory = new ExecutableMemory[maxTokens];
        kernels = new delegate* unmanaged[SuppressGCTransition]<TileArguments*, void>[maxTokens];
        for (int i = 0; i < maxTokens; i++)
        {
            memory[i] = ExecutableMemory.TryCreate(assemble(i + 1), out string? refusal)
                ?? throw new BackendException($"{refusal}; --no-assembly runs without");
            kernels[i] = (delegate* unmanaged[SuppressGCTransition]<TileArguments*, void>)memory[i].Address;
        }
    }

    public override bool ReadsWide { get; }

    public override void Run(int tokens, TileArguments* arguments) => kernels[tokens - 1](arguments);

    public void Dispose()
    {
        foreach (ExecutableMemory code in memory) code.Dispose();
    }
}
