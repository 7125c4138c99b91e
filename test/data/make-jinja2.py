# Writes the right values of test/data/jinja2.json anew: every template of the file as Jinja2 renders it in the environment in which
# transformers compiles chat templates (sandbox, trim_blocks, lstrip_blocks, loop controls, {% generation %}, plain tojson). null: it raises.
# python3 test/data/make-jinja2.py, with Jinja2 3.1.
import json
import os

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "jinja2.json")


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_text"), [], [], body).set_lineno(line)

    def _text(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
env.filters["tojson"] = tojson
env.globals["raise_exception"] = raise_exception


def right(template, variables):
    try:
        return env.from_string(template).render(**variables)
    except Exception:
        return None


with open(FILE) as f:
    data = json.load(f)
data["cases"] = [[t, right(t, data["variables"])] for t, _ in data["cases"]]
with open(FILE, "w") as f:
    json.dump(data, f, indent=0)
