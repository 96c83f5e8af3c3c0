namespace Lapidary.Tools;

/// <summary>All output is text.</summary>
internal sealed class PlainFormat : OutputFormat
{
    public override string Name => "none";
    public override string Purpose => "all output is text; for models without reasoning and tool calls";

    internal override bool Fits(OutputSigns signs) => true;

    internal override ReasoningMarkers? Reasoning => null;

    internal override OutputGrammar CreateGrammar(OutputParserOptions options, OutputWriter output) => new Grammar(output);

    private sealed class Grammar(OutputWriter output) : OutputGrammar(output)
    {
        public override IReadOnlyList<string> Markers => [];

        public override bool IsReasoning => false;

        public override void Take(char c) => Output.Content(c);

        public override void TakeMarker(string marker) => throw new InvalidOperationException($"no marker {marker}");

        public override void Finish(OutputEnd end) { }
    }
}
