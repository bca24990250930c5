#!/usr/bin/env python3
"""Checks that lines of Markdown and of comments are at most 100 characters wide.

    scripts/width.py            all files that git tracks or would add
    scripts/width.py FILE ...   these files

Tables, code blocks, link targets and lines without a space are exempt. rustfmt.toml sets the width
of code. The examples in the docstrings below run first, so a broken rule stops the check.
"""

import ast
import doctest
import re
import subprocess
import sys
from pathlib import Path

WIDEST = 100
SLASHES = {".rs", ".wgsl"}
HASHES = {".py", ".sh", ".toml", ".yml", ".yaml", ".cff"}
FENCE = re.compile(r"(```+|~~~+)")
TARGET = re.compile(r"(?<=\])\([^()\s]*\)|(?<=\]: )\S+|<?https?://[^\s)>]+>?")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def too_wide(line, text):
    """Whether `line`, with the prose `text` at its end, can and should be broken.

    >>> too_wide("word " * 20, "word " * 20), too_wide("/// " + "word " * 20, "word " * 20)
    (False, True)
    >>> linked = "see [the page](https://example.org/" + "a" * 100 + ")"
    >>> too_wide(linked, linked)
    False
    >>> too_wide("# " + "a" * 100, "a" * 100), too_wide("| a cell " * 20, "| a cell " * 20)
    (False, False)
    """
    text = text.strip()
    if text.startswith("|") or " " not in text:
        return False
    return len(TARGET.sub("", line.rstrip())) > WIDEST


def wide_numbers(lines):
    """The numbers of the lines that are too wide, of (number, line, text).

    >>> wide = ("word " * 21, "word " * 21)
    >>> fence = ("```", "```")
    >>> list(wide_numbers([(1, *wide), (2, *fence), (3, *wide), (4, *fence), (5, *wide)]))
    [1, 5]
    """
    fence = None
    for number, line, text in lines:
        mark = FENCE.match(text.strip())
        if mark and fence is None:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = None
        elif fence is None and too_wide(line, text):
            yield number


def markdown(source):
    """All lines of a Markdown file."""
    return [(number, line, line) for number, line in enumerate(source, 1)]


def comments(source, mark):
    r"""The comments of a source file. A comment behind code counts with the code before it.

    >>> comments(["  /// One", "x = 1; // Two", 'y = "a // b";', "z"], "//")
    [(1, '  /// One', ' One'), (2, 'x = 1; // Two', ' Two')]
    >>> comments(["#!/bin/sh", "# One", "x = 1  # Two"], "#")
    [(2, '# One', ' One'), (3, 'x = 1  # Two', ' Two')]
    """
    whole = re.compile(r"\s*//[/!]?" if mark == "//" else r"\s*#(?!!)")
    behind = re.compile(rf".*\s{mark}(?=\s)")
    found = []
    for number, line in enumerate(source, 1):
        hidden = STRING.sub(lambda string: "_" * len(string[0]), line)
        start = whole.match(line) or behind.match(hidden)
        if start is not None:
            found.append((number, line, line[start.end() :]))
    return found


def docstrings(text):
    """The lines of a Python file's docstrings, without indented code and examples.

    >>> docstrings('"One"\\ndef f():\\n    "Two"\\nx = "Three"')
    [(1, '"One"', '"One"'), (3, '    "Two"', '    "Two"')]
    """
    lines = markdown(text.splitlines())
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            body = node.body[0]
            code = " " * (body.col_offset + 4)
            inside = lines[body.lineno - 1 : body.end_lineno]
            found += [entry for entry in inside if not entry[1].startswith(code)]
    return sorted(found)


def prose(path):
    """The prose of a file: lists of (number, line, text), each with code blocks of its own."""
    # Inputs of fuzz targets are no text.
    text = path.read_text(encoding="utf-8", errors="replace")
    source = text.splitlines()
    if path.suffix == ".md":
        return [markdown(source)]
    if path.suffix in SLASHES:
        return [comments(source, "//")]
    if path.suffix == ".py":
        return [comments(source, "#"), docstrings(text)]
    if path.suffix in HASHES or text.startswith("#!"):
        return [comments(source, "#")]
    return []


def main():
    failed, _ = doctest.testmod()
    if failed:
        return 1
    listed = sys.argv[1:]
    if not listed:
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
        listed = [name for name in listed if name]
    paths = [Path(name) for name in listed]
    endings = SLASHES | HASHES | {".md", ""}
    read = [path for path in paths if path.suffix in endings and path.is_file()]
    wide = [(path, number) for path in read for lines in prose(path) for number in wide_numbers(lines)]
    for path, number in wide:
        print(f"{path}:{number}: wider than {WIDEST} characters; break the line")
    if not wide:
        print(f"width: {len(read)} files, no line of Markdown or comment above {WIDEST} characters")
    return 1 if wide else 0


if __name__ == "__main__":
    sys.exit(main())
