using System.Text.Json;
using Lapidary.Server.Errors;
using Lapidary.Server.Requests;

namespace Lapidary.Server.Adapters;

/// <summary>
/// POST /v1/load_lora_adapter and /v1/unload_lora_adapter, in vLLM's form. Who may call them can make the server read any
/// folder, so they do something only when the operator allows it.
/// </summary>
internal sealed class AdapterEndpoint(ApiServices api)
{
    public async Task Load(HttpContext context)
    {
        RequireAllowed();
        ServedModel model = api.Slot.Model;
        using JsonDocument json = await JsonBody.ReadAsync(context);
        Fields body = new(json.RootElement);
        string name = body.RequiredText("lora_name"), path = body.RequiredText("lora_path");
        bool replace = body.Flag("load_inplace") ?? false;
        body.Done();
        if (name.Length == 0) throw ApiException.Invalid("lora_name", "lora_name is empty, expected the name under which the adapter is to be served");
        if (name.Any(char.IsControl)) throw ApiException.Invalid("lora_name", $"lora_name is {MessageText.Quote(name)}, expected a name without control characters"); // it goes into logs, labels and plain answers
        if (path.Length == 0) throw ApiException.Invalid("lora_path", "lora_path is empty, expected a folder of this machine");
        if (model.IsModelName(name)) throw ApiException.Invalid("lora_name", $"{MessageText.Quote(name)} is a name of the model itself; choose another for the adapter");
        if (!replace && model.HasAdapter(name))
            throw ApiException.Invalid("lora_name", $"an adapter {MessageText.Quote(name)} has already been loaded; unload it first, choose another name, or set load_inplace to put this one in its place");
        if (!Directory.Exists(path))
            throw NotFound("lora_path", $"{MessageText.Quote(path)} is no folder of this machine, expected one with adapter_config.json and adapter_model.safetensors, as PEFT saves them.");
        await Change("lora_path", () => model.LoadAdapter(path, name, replace));
        await Tell(context, $"Success: LoRA adapter '{name}' added successfully.");
    }

    /// <summary>Requests that use it run on to their end; new ones are answered 404.</summary>
    public async Task Unload(HttpContext context)
    {
        RequireAllowed();
        ServedModel model = api.Slot.Model;
        using JsonDocument json = await JsonBody.ReadAsync(context);
        Fields body = new(json.RootElement);
        string name = body.RequiredText("lora_name");
        _ = body.Integer("lora_int_id"); // vLLM's own number of it, which it need not be told either
        body.Done();
        if (!model.HasAdapter(name))
            throw NotFound("lora_name", $"{MessageText.Quote(name)} is no loaded adapter{(model.IsModelName(name) ? " but the model itself" : "")}; GET /v1/models lists adapters with their parent.");
        await Change("lora_name", () => model.Model.Adapters.Drop(name));
        await Tell(context, $"Success: LoRA adapter '{name}' removed successfully.");
    }

    private void RequireAllowed()
    {
        if (!api.Options.AllowRuntimeLoraUpdating)
            throw new ApiException(StatusCodes.Status403Forbidden, "Adapters cannot be loaded and dropped on this server; it has to be started with --allow-runtime-lora-updating.") { Type = "permission_error", Code = "lora_updating_disabled" };
    }

    private static ApiException NotFound(string param, string message) => new(StatusCodes.Status404NotFound, message) { Param = param, Code = "adapter_not_found" };

    /// <summary>In vLLM's words, which are no JSON.</summary>
    private static Task Tell(HttpContext context, string success)
    {
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(success, context.RequestAborted);
    }

    /// <summary>Off the thread of the connection: an adapter may be hundreds of megabytes.</summary>
    private static async Task Change(string param, Action change)
    {
        try
        {
            await Task.Run(change);
        }
        catch (LapidaryException refusal)
        {
            throw ApiException.Invalid(param, refusal.Message);
        }
    }
}
