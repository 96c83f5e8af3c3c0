// node lint.mjs FOLDER: prints a line for each fault of the deployment files in the folder; exit code 1 when there is one.
import { readFileSync, readdirSync, existsSync } from "node:fs";
import { join, dirname, relative } from "node:path";
import { parseAllDocuments } from "yaml";
import ts from "typescript";
import dockerfiles from "dockerfile-utils";

const root = process.argv[2];
const faults = [];
const fault = (file, text) => faults.push(`${relative(root, file)}: ${text}`);

// Of each kind where its type is declared; TypeScript refuses unknown members, wrong types and missing ones.
const gateway = "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1";
const types = {
  "apps/v1 Deployment": ["IDeployment", "kubernetes-models/apps/v1/Deployment"],
  "v1 Service": ["IService", "kubernetes-models/v1/Service"],
  "networking.k8s.io/v1 NetworkPolicy": ["INetworkPolicy", "kubernetes-models/networking.k8s.io/v1/NetworkPolicy"],
  "policy/v1 PodDisruptionBudget": ["IPodDisruptionBudget", "kubernetes-models/policy/v1/PodDisruptionBudget"],
  "gateway.networking.k8s.io/v1 HTTPRoute": ["IHTTPRoute", `${gateway}/HTTPRoute`],
  "inference.networking.k8s.io/v1 InferencePool": ["InferencePool"],
  "kustomize.config.k8s.io/v1beta1 Kustomization": ["Kustomization"],
};
const own = `
interface Named { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> }
interface InferencePool { apiVersion: string; kind: string; metadata: Named; spec: {
  selector: { matchLabels: Record<string, string> }; targetPorts: { number: number }[]; appProtocol?: "http" | "kubernetes.io/h2c";
  endpointPickerRef: { group?: string; kind?: string; name: string; port?: { number: number }; failureMode?: "FailOpen" | "FailClose" } } }
interface Kustomization { apiVersion: string; kind: string; resources: string[]; namespace?: string }
`;

function files(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => entry.isDirectory() ? files(join(folder, entry.name)) : [join(folder, entry.name)]);
}

function manifests(folder) {
  const found = [];
  for (const file of files(folder).filter(name => /\.ya?ml$/.test(name))) {
    for (const document of parseAllDocuments(readFileSync(file, "utf8"), { strict: true, uniqueKeys: true })) {
      for (const problem of [...document.errors, ...document.warnings]) fault(file, problem.message.split("\n")[0]);
      if (document.errors.length === 0) found.push({ file, value: document.toJS() });
    }
  }
  return found;
}

function checkTypes(all) {
  const lines = [own];
  const owners = [];
  for (const { file, value } of all) {
    const known = types[`${value?.apiVersion} ${value?.kind}`];
    if (!known) {
      fault(file, `apiVersion ${value?.apiVersion} with kind ${value?.kind} is not known here`);
      continue;
    }
    const [name, module] = known;
    owners.push(file);
    lines.push(`${module ? `import type { ${name} as T${owners.length} } from "${module}";` : `type T${owners.length} = ${name};`} export const m${owners.length}: T${owners.length} = ${JSON.stringify(value)};`);
  }
  const source = join(import.meta.dirname ?? dirname(new URL(import.meta.url).pathname), "manifests.generated.ts");
  const options = { noEmit: true, strict: true, skipLibCheck: true, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, target: ts.ScriptTarget.ESNext, types: [] };
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile.bind(host), exists = host.fileExists.bind(host);
  const text = lines.join("\n");
  host.fileExists = name => name === source || exists(name);
  host.getSourceFile = (name, version) => name === source ? ts.createSourceFile(name, text, version) : read(name, version);
  const ownLines = own.split("\n").length;
  for (const found of ts.getPreEmitDiagnostics(ts.createProgram([source], options, host))) {
    const line = found.file?.getLineAndCharacterOfPosition(found.start).line ?? 0;
    fault(owners[line - ownLines] ?? source, ts.flattenDiagnosticMessageText(found.messageText, " ").slice(0, 400));
  }
}

const same = (some, all) => Object.entries(some ?? {}).length > 0 && Object.entries(some).every(([key, value]) => all?.[key] === value);

// What one file says of another.
function checkReferences(all) {
  const of = kind => all.filter(manifest => manifest.value?.kind === kind);
  const pods = of("Deployment").map(d => d.value.spec?.template).filter(Boolean);
  const ports = pods.flatMap(pod => pod.spec?.containers?.flatMap(container => container.ports ?? []) ?? []);
  const isPort = port => ports.some(p => p.name === port || p.containerPort === port);
  const selected = selector => pods.some(pod => same(selector, pod.metadata?.labels));
  for (const { file, value } of of("Deployment")) {
    const pod = value.spec?.template;
    if (!same(value.spec?.selector?.matchLabels, pod?.metadata?.labels)) fault(file, "the selector does not select the pods of the template");
    const volumes = pod?.spec?.volumes?.map(volume => volume.name) ?? [];
    for (const container of pod?.spec?.containers ?? []) {
      for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"])
        if (!isPort(container[probe]?.httpGet?.port)) fault(file, `${probe} is missing or asks a port that the container does not have`);
      for (const mount of container.volumeMounts ?? []) if (!volumes.includes(mount.name)) fault(file, `there is no volume ${mount.name}`);
      const drain = Number(container.env?.find(variable => variable.name === "LAPIDARY_SHUTDOWN_TIMEOUT")?.value ?? 30);
      if (pod.spec.enableServiceLinks !== false) fault(file, 'enableServiceLinks is not false: a Service named lapidary would set LAPIDARY_PORT');
      if (!(pod.spec.terminationGracePeriodSeconds > drain + 5)) fault(file, `terminationGracePeriodSeconds leaves no time to drain for ${drain} s`);
    }
  }
  for (const { file, value } of of("Service")) {
    if (!selected(value.spec?.selector)) fault(file, "the selector selects no pods");
    for (const port of value.spec?.ports ?? []) if (!isPort(port.targetPort)) fault(file, `no container has port ${port.targetPort}`);
  }
  for (const { file, value } of of("NetworkPolicy")) if (!selected(value.spec?.podSelector?.matchLabels)) fault(file, "the selector selects no pods");
  for (const { file, value } of of("PodDisruptionBudget")) if (!selected(value.spec?.selector?.matchLabels)) fault(file, "the selector selects no pods");
  for (const { file, value } of of("InferencePool")) {
    if (!selected(value.spec?.selector?.matchLabels)) fault(file, "the selector selects no pods");
    for (const port of value.spec?.targetPorts ?? []) if (!isPort(port.number)) fault(file, `no container has port ${port.number}`);
  }
  for (const { file, value } of of("HTTPRoute"))
    for (const backend of value.spec?.rules?.flatMap(rule => rule.backendRefs ?? []) ?? [])
      if (!all.some(m => m.value?.kind === (backend.kind ?? "Service") && m.value?.metadata?.name === backend.name)) fault(file, `there is no ${backend.kind ?? "Service"} ${backend.name}`);
  for (const { file, value } of of("Kustomization")) {
    const folder = dirname(file), listed = value.resources ?? [];
    for (const resource of listed) if (!existsSync(join(folder, resource))) fault(file, `there is no ${resource}`);
    for (const name of readdirSync(folder)) if (/\.ya?ml$/.test(name) && name !== "kustomization.yaml" && !listed.includes(name)) fault(file, `${name} is not listed`);
  }
}

const all = manifests(join(root, "kubernetes"));
checkTypes(all);
checkReferences(all);
for (const found of dockerfiles.validate(readFileSync(join(root, "Dockerfile"), "utf8"))) fault(join(root, "Dockerfile"), `line ${found.range.start.line + 1}: ${found.message}`);
for (const line of faults) console.log(line);
process.exit(faults.length > 0 ? 1 : 0);
