"""Renders templates with the real Jinja2, set up as transformers sets it up for chat templates.

JSON lines in:  {"template": str, "variables": object}  or  {"path": file, "variables": object}
JSON lines out: {"ok": true, "text": str}  or  {"ok": false, "error": str}

strftime_now always answers for the moment in CLOCK, so that two renderings agree.
"""

import datetime
import json
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox

CLOCK = datetime.datetime(2026, 3, 9, 14, 5, 7)


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_content"), [], [], body).set_lineno(line)

    def _content(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    made = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = CLOCK.strftime
    return made


def main():
    jinja = environment()
    compiled = {}
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            source = request.get("template")
            if source is None:
                with open(request["path"], encoding="utf-8", newline="") as file:
                    source = file.read()
            if source not in compiled:
                compiled[source] = jinja.from_string(source)
            text = compiled[source].render(**request["variables"])
            text.encode("utf-8")
            answer = {"ok": True, "text": str(text)}
        except Exception as error:  # whatever Python raises counts as a refusal
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"[:500]}
        sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


main()
