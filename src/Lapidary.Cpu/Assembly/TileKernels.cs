namespace Lapidary.Cpu.Assembly;

/// <summary>Assembled kernels of one layout, one for each number of tokens, made when first needed.</summary>
internal sealed unsafe class TileKernels : IDisposable
{
    private readonly Func<TileAssembler> assembler;
    private readonly ExecutableMemory?[] memory = new ExecutableMemory?[TileAssembler.MaxTokens + 1];
    private readonly delegate* unmanaged[SuppressGCTransition]<TileArguments*, void>[] kernels =
        new delegate* unmanaged[SuppressGCTransition]<TileArguments*, void>[TileAssembler.MaxTokens + 1];

    /// <exception cref="BackendException">The system refuses executable memory.</exception>
    public TileKernels(Func<TileAssembler> assembler)
    {
        this.assembler = assembler;
        for (int tokens = 1; tokens <= TileAssembler.MaxTokens; tokens++) Assemble(tokens);
    }

    /// <summary>Multiplies one panel with a tile of 1 to 16 tokens.</summary>
    public void Run(int tokens, TileArguments* arguments) => kernels[tokens](arguments);

    public void Dispose()
    {
        foreach (ExecutableMemory? code in memory) code?.Dispose();
    }

    private void Assemble(int tokens)
    {
        memory[tokens] = ExecutableMemory.TryCreate(assembler().Assemble(tokens), out string? refusal)
            ?? throw new BackendException($"{refusal}; --no-assembly runs without");
        kernels[tokens] = (delegate* unmanaged[SuppressGCTransition]<TileArguments*, void>)memory[tokens]!.Address;
    }
}
