#!/usr/bin/env python3
"""Draws a terminal session as SVG: runs a command and pictures what it printed.

usage: tools/terminal_picture.py OUT.svg COMMAND...        (the README's picture: see docs/images/README.md)
"""
import html
import subprocess
import sys
import textwrap

COLUMNS, LINE, CHARACTER, MARGIN = 96, 20, 8.43, 18


def lines_of(command):
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    shown = " ".join(f'"{word}"' if " " in word else word for word in command)
    yield "prompt", "$ " + shown
    for text, kind in ((run.stdout, "out"), (run.stderr, "err")):
        for line in text.rstrip("\n").split("\n"):
            for part in textwrap.wrap(line, COLUMNS) or [""]:
                yield kind, part


def picture(lines):
    width, height = COLUMNS * CHARACTER + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN + 22
    colours = {"prompt": "#9ece6a", "out": "#e6e6ef", "err": "#8a8fa8"}
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" role="img" aria-label="A terminal: lapidary tells a story">'
    yield f'<rect width="{width:.0f}" height="{height}" rx="10" fill="#1a1b26"/>'
    for i, colour in enumerate(("#f7768e", "#e0af68", "#9ece6a")):
        yield f'<circle cx="{MARGIN + 2 + i * 18}" cy="18" r="5" fill="{colour}"/>'
    yield '<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="14" xml:space="preserve">'
    for i, (kind, line) in enumerate(lines):
        yield f'<text x="{MARGIN}" y="{MARGIN + 36 + i * LINE}" fill="{colours[kind]}">{html.escape(line)}</text>'
    yield "</g></svg>"


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write("\n".join(picture(list(lines_of(sys.argv[2:])))) + "\n")
