namespace Lapidary.Server.Tests;

/// <summary>What OpenAI's service says of a value, in its words for programs.</summary>
public sealed class ErrorCodeTests(Server server)
{
    [Theory]
    [InlineData("temperature", "-0.1", "decimal_below_min_value"), InlineData("temperature", "2.1", "decimal_above_max_value"), InlineData("top_p", "0", "decimal_below_min_value"), InlineData("top_p", "1.5", "decimal_above_max_value")]
    [InlineData("presence_penalty", "-2.5", "decimal_below_min_value"), InlineData("frequency_penalty", "3", "decimal_above_max_value"), InlineData("min_p", "2", "decimal_above_max_value"), InlineData("repetition_penalty", "0", "decimal_below_min_value")]
    [InlineData("n", "0", "integer_below_min_value"), InlineData("n", "129", "integer_above_max_value"), InlineData("n", "1e30", "integer_above_max_value"), InlineData("max_tokens", "0", "integer_below_min_value"), InlineData("max_tokens", "99999999999999999999", "integer_above_max_value")]
    [InlineData("top_logprobs", "21", "integer_above_max_value"), InlineData("top_logprobs", "-1", "integer_below_min_value"), InlineData("min_tokens", "-1", "integer_below_min_value"), InlineData("top_k", "-2", "integer_below_min_value"), InlineData("seed", "9223372036854775808", "integer_above_max_value")]
    [InlineData("n", "\"1\"", "invalid_type"), InlineData("n", "1.5", "invalid_type"), InlineData("n", "true", "invalid_type"), InlineData("temperature", "\"1\"", "invalid_type"), InlineData("stop", "7", "invalid_type"), InlineData("stream", "1", "invalid_type")]
    [InlineData("stop", "\"\"", "invalid_value"), InlineData("reasoning_effort", "\"x\"", "invalid_value"), InlineData("logit_bias", "{\"a\":1}", "invalid_value"), InlineData("tools", "[]", "invalid_value"), InlineData("messages", "[]", "invalid_value")]
    [InlineData("model", "\"x\"", "model_not_found"), InlineData("messages", "null", "missing_required_parameter"), InlineData("foo", "1", "unknown_parameter"), InlineData("store", "true", "unsupported_parameter")]
    public async Task A_fault_has_its_code(string param, string value, string code)
    {
        string messages = param == "messages" ? "" : "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],";
        (await server.Client.Post("/v1/chat/completions", $"{{{messages}\"{param}\":{value}}}")).AssertError(param == "model" ? 404 : 400, param, code);
    }

    [Theory]
    [InlineData("max_tokens", "0", "max_tokens is 0, expected 1 or more"), InlineData("top_logprobs", "21", "top_logprobs is 21, expected 0 to 20"), InlineData("n", "1.50", "n is 1.50, expected an integer"), InlineData("temperature", "3", "temperature is 3, expected 0 to 2")]
    [InlineData("seed", "9223372036854775808", "seed is 9223372036854775808, expected -9223372036854775808 to 9223372036854775807")]
    public async Task A_number_is_told_as_it_was_written_with_its_range(string param, string value, string message)
        => Assert.Equal(message, (await server.Client.Post("/v1/chat/completions", $"{{\"messages\":[{{\"role\":\"user\",\"content\":\"a\"}}],\"{param}\":{value}}}")).Error["message"]!.GetValue<string>());
}
