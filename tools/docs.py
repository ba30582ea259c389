"""Generate what is generated: rule pages, ``--help`` blocks, the policy schema and its table of facts.

``python -m tools.docs`` writes, ``--check`` only compares (exit 1 where something differs).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from scanner.catalogue import all_rules
from scanner.cli.app import app
from scanner.policy.facts import RECORDS
from scanner.policy.schema import json_schema
from scanner.report.rule_page import page

ROOT = Path(__file__).parent.parent
RULES = ROOT / "docs" / "rules"
README = ROOT / "README.md"
SCHEMA = ROOT / "docs" / "schema" / "policy-1.schema.json"
GUIDE = ROOT / "docs" / "guides" / "policies.md"
_FACTS = re.compile(r"(<!-- facts -->\n).*?(\n<!-- end of facts -->)", re.DOTALL)
_TRANSCRIPT = re.compile(r"(<!-- transcript: (?P<line>[^>]*) -->\n```console\n).*?(```\n)", re.DOTALL)
_BLOCK = re.compile(r"(<!-- help: (?P<verb>[a-z ]*) -->\n```text\n).*?(```\n)", re.DOTALL)


def rule_pages() -> dict[Path, str]:
    """File to content: one page for each module that owns rules, and their index."""
    groups = defaultdict(list)
    for rule in all_rules():
        groups[rule.id.partition("/")[0]].append(rule)
    pages = {
        RULES / f"{module}.md": f"# Rules: {module}\n\n" + "\n".join(page(rule) for rule in rules)
        for module, rules in groups.items()
    }
    rows = [
        f"| [`{rule.id}`]({rule.id.partition('/')[0]}.md#{rule.id.replace('/', '')}) "
        f"| {rule.severity.value} | {rule.title} |"
        for rule in all_rules()
    ]
    head = "# Rules\n\nGenerated from the catalogue by `make docs`.\n\n| rule | severity | title |\n|---|---|---|\n"
    pages[RULES / "index.md"] = head + "\n".join(rows) + "\n"
    return pages


def policy_schema() -> str:
    """The JSON Schema of a policy file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def policy_guide() -> str:
    """The guide with the table of facts as they are declared."""
    rows = []
    for record in RECORDS:
        listed = f", in a list as `{record.plural}`" if record.plural else ""
        rows += [f"\n**{record.name}**{listed}: {record.what}\n\n| field | type | meaning |\n|---|---|---|\n"]
        rows += [f"| `{record.name}.{f.name}` | {f.type} | {f.what} |\n" for f in record.fields]
    return _FACTS.sub(lambda match: match[1] + "".join(rows) + match[2], GUIDE.read_text(encoding="utf-8"))


def readme() -> str:
    """The README with every ``--help`` block as the command prints it today; none may be missing."""
    wanted = list(verbs())

    def block(match: re.Match[str]) -> str:
        if match["verb"] not in wanted:
            sys.exit(f"README.md: there is no verb for the block <!-- help: {match['verb']} -->")
        wanted.remove(match["verb"])
        return match[1] + help_of(match["verb"]).rstrip() + "\n" + match[3]

    text = _TRANSCRIPT.sub(transcript, _BLOCK.sub(block, README.read_text(encoding="utf-8")))
    if wanted:
        sys.exit("".join(f"README.md: the block <!-- help: {verb} --> is missing\n" for verb in wanted))
    return text


def transcript(match: re.Match[str]) -> str:
    """What a person sees who types that command in the checkout, on a terminal of 80 columns."""
    command = [sys.executable, "-m", "scanner", *match["line"].split()]
    plain = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "PYTHONUTF8": "1"}
    shown = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=False).stdout
    return f"{match[1]}$ weighbridge {match['line']}\n{shown.rstrip()}\n{match[3]}"


def verbs() -> Iterator[str]:
    """The command itself (an empty text), every verb, and the verbs of verbs."""
    yield ""
    found: list[tuple[str, click.Command]] = [("", app)]
    for words, group in found:
        if not isinstance(group, click.Group):
            continue
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None, name
            yield (verb := f"{words} {name}".strip())
            found.append((verb, command))


def help_of(verb: str) -> str:
    """What the command prints, on a terminal of 80 columns."""
    result = CliRunner(catch_exceptions=False).invoke(
        app, [*verb.split(), "--help"], prog_name="weighbridge", terminal_width=80
    )
    assert result.exit_code == 0, result.output
    return result.output


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    wanted = {**rule_pages(), README: readme(), SCHEMA: policy_schema(), GUIDE: policy_guide()}
    stale = [path for path in RULES.glob("*.md") if path not in wanted]
    wrong = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    if check:
        for path in (*wrong, *stale):
            print(f"{path.relative_to(ROOT)} is out of date: run `make docs`")
        sys.exit(1 if wrong or stale else 0)
    RULES.mkdir(parents=True, exist_ok=True)
    for path in wrong:
        path.write_text(wanted[path], encoding="utf-8", newline="\n")
    for path in stale:
        path.unlink()


if __name__ == "__main__":
    main()
