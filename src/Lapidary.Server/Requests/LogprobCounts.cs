namespace Lapidary.Server.Requests;

/// <summary>How many alternatives of each token a request asks for; -1 for the whole vocabulary where the operator allows it.</summary>
internal static class LogprobCounts
{
    public static int? Read(Fields body, string name, ServedModel model)
        => model.MaxLogprobs < 0 ? body.Integer(name, -1, model.VocabSize) : body.Integer(name, 0, Math.Min(model.MaxLogprobs, model.VocabSize));
}
