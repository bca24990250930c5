"""Names of places in the module, for messages."""

from __future__ import annotations

from torch.fx import Node

from ._subject import Subject

# Frames of torch itself, of generated code, and of unrelu.
SKIPPED = ("/torch/nn/", "<", "/_from_torch/")


def place_of(node: Node, subject: Subject) -> str:
    """The innermost submodule that an operation belongs to, such as ``decoder.3 (GELU)``."""
    stack = [entry for entry in (node.meta.get("nn_module_stack") or {}).values()]
    for path, kind in reversed(stack):
        name = str(path).split("@")[0]
        if name.startswith("subject."):
            kind = kind if isinstance(kind, str) else kind.__name__
            return f"{name.removeprefix('subject.')} ({kind.rsplit('.', 1)[-1]})"
    return subject.label


def statement_of(node: Node) -> str:
    """Where the operation was written, such as `` in `h = F.gelu(h)` (decoder.py:12)``.

    Empty where torch does not know, or where it was written in torch itself.
    """
    lines = [line.strip() for line in (node.meta.get("stack_trace") or "").splitlines()]
    frames = [
        (place, code) for place, code in zip(lines, lines[1:]) if place.startswith('File "')
    ]
    frames = [(place, code) for place, code in frames if not any(part in place for part in SKIPPED)]
    if not frames or "/torch/nn/" in lines[-2]:
        return ""
    place, code = frames[-1]
    file, number = place.removeprefix('File "').split('"', 1)
    number = number.split("line ", 1)[-1].split(",", 1)[0]
    short = file.replace("\\", "/").rsplit("/", 1)[-1]
    return f" in `{code}` ({short}:{number})"
