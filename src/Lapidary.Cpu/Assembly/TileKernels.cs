namespace Lapidary.Cpu.Assembly;

/// <summary>Multiplies tiles: some weight rows with some tokens.</summary>
internal abstract unsafe class TileKernels
{
    /// <summary>Whether 8-bit hidden states are read in 16 bits (<see cref="Int8Form.IsWide"/>).</summary>
    public virtual bool ReadsWide => false;

    /// <summary>Multiplies one tile.</summary>
    public abstract void Run(int tokens, TileArguments* arguments);
}

/// <summary>Kernels of one kind, one for each number of tokens from 1 on, assembled when that number is first met.</summary>
/// <param name="assemble">The machine code for that many tokens.</param>
internal sealed unsafe class AssembledKernels(int maxTokens, Func<int, byte[]> assemble, bool readsWide = false) : TileKernels, IDisposable
{
    private readonly Lock adding = new();
    private readonly ExecutableMemory?[] memory = new ExecutableMemory?[maxTokens];
    private readonly nint[] kernels = new nint[maxTokens];

    public override bool ReadsWide { get; } = readsWide;

    /// <exception cref="BackendException">The system refuses executable memory.</exception>
    public override void Run(int tokens, TileArguments* arguments)
    {
        nint kernel = Volatile.Read(ref kernels[tokens - 1]);
        if (kernel == 0) kernel = Add(tokens);
        ((delegate* unmanaged[SuppressGCTransition]<TileArguments*, void>)kernel)(arguments);
    }

    public void Dispose()
    {
        foreach (ExecutableMemory? code in memory) code?.Dispose();
    }

    private nint Add(int tokens)
    {
        lock (adding)
        {
            ref ExecutableMemory? code = ref memory[tokens - 1];
            code ??= ExecutableMemory.TryCreate(assemble(tokens), out string? refusal) ?? throw new BackendException($"{refusal}; --no-assembly runs without");
            nint kernel = (nint)code.Address;
            Volatile.Write(ref kernels[tokens - 1], kernel);
            return kernel;
        }
    }
}
