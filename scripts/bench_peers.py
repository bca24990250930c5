#!/usr/bin/env python3
"""Runs exported LPs through other solvers and prints one table: milliseconds per LP, and the ratio
to unrelu's.

    unrelu bench lp --export lps --json > ours.json
    pip install numpy piqp daqp highspy cvxopt clarabel ortools
    python scripts/bench_peers.py lps --ours ours.json

Each peer gets the LP as `min c·x` s.t. `A x <= b`, `x >= 0` on some entries, in its own layout.
Making the layout is not timed. Setup and solve are timed, on one thread, in processor time. A
solver with several sensible settings has one column for each. A peer runs in a separate process, so
that it can be stopped when an LP takes too long.

Objectives are computed here from each solver's `z`. Its answers count only if they agree with
unrelu's certified objective to a relative 1e-4 (and, for `relaxed`, if the rows hold to 1e-4 of the
largest bound). *Digits* are those of the worst answer. For `linf`, `l1` and `exact` every `z` gives
an upper bound, so the reference is the lowest objective that any solver found. For `relaxed` the
reference is unrelu's objective, and for unrelu itself the nearest peer's. The export has the scale
of each difference (`src/bench/lp/export.rs` describes the files).
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy loads its BLAS

import argparse
import json
import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np
from peers import KEY, PEERS, Lp

GATE = 1e-4


def load(folder, group):
    """The LPs of a group, one after another, with their places."""
    weight = np.load(folder / group["W"])
    for index, entry in enumerate(group["lps"]):
        if entry["objective"] is None:
            continue  # nothing to agree with
        q = np.load(folder / entry["q"])[0] if "q" in entry else None
        yield index, Lp(group, weight, np.load(folder / entry["inequalities"]), q, entry["objective"], entry["scale"])


def work(connection, prepare, folder, group, seconds, count):
    """Runs in a separate process: sends (place, seconds, objective, excess) for each LP, until
    `seconds` are spent, then None."""
    # Keep the solver's own output out of the table.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    spent, begun = 0.0, time.monotonic()
    for done, (index, lp) in enumerate(load(folder, group)):
        # Some interfaces take longer to fill than to solve.
        if done >= count or spent > seconds or time.monotonic() - begun > 5 * seconds:
            break
        x, before = None, time.process_time()
        try:
            solve = prepare(lp)
            before = time.process_time()
            x = solve()
        except Exception as error:  # a peer's failure is shown in the table; the script continues
            print(f"    {type(error).__name__}: {error}", file=sys.stderr)
        taken = time.process_time() - before
        spent += taken
        connection.send((index, taken, *((np.nan, np.inf) if x is None else lp.reached(x))))
    connection.send(None)


def run(prepare, folder, group, arguments):
    """The answers of one peer to one group, and why it ended early: None, "time" or "crash"."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(sender, prepare, folder, group, arguments.seconds, arguments.lps))
    process.start()
    sender.close()
    answers, ended = [], None
    try:
        while True:
            if not receiver.poll(arguments.limit):
                ended = "time"
                break
            answer = receiver.recv()
            if answer is None:
                break
            answers.append(answer)
    except EOFError:
        ended = "crash"
    process.kill()
    process.join()
    return answers, ended


def errors_of(answers, entries, best):
    """The relative error of each answer against `best`, by place; `inf` for no answer."""
    found = []
    for index, _, objective, excess in answers:
        difference = abs(objective - best[index]) / max(entries[index]["scale"], 1e-300)
        found.append(max(difference, excess) if np.isfinite(difference) else np.inf)
    return found


def best_objectives(group, answers_of_all):
    """The reference objectives by place: unrelu's, or a lower one where `z` alone gives an upper
    bound."""
    best = {index: entry["objective"] for index, entry in enumerate(group["lps"]) if entry["objective"] is not None}
    if group["method"] != "relaxed":
        for index, _, objective, _ in answers_of_all:
            if objective < best[index]:  # not so for NaN
                best[index] = objective
    return best


def our_error(group, best, answers_of_all):
    """unrelu's largest error; for `relaxed`, the largest distance to the nearest peer's answer."""
    worst = 0.0
    for index, entry in enumerate(group["lps"]):
        others = [(o, excess) for i, _, o, excess in answers_of_all if i == index and np.isfinite(o)]
        if entry["objective"] is None or not others:
            continue
        if group["method"] == "relaxed":
            miss = min(max(abs(o - entry["objective"]) / max(entry["scale"], 1e-300), excess) for o, excess in others)
        else:
            miss = (entry["objective"] - best[index]) / max(entry["scale"], 1e-300)
        worst = max(worst, miss)
    return worst


def digits(error):
    """`7.3` for 5e-8; at most 14, since smaller errors are rounding."""
    return f"{min(14.0, -np.log10(max(error, 1e-14))):.1f}"


IDENTITY = ("rows", "columns", "method", "nonnegative", "weights", "activation", "noise")


def our_milliseconds(rows, group):
    """unrelu's milliseconds per LP for a group: one thread, the largest batch."""
    ours = (r for r in rows if r["solver"] == "interior-point" and r["threads"] == 1)
    same = [r for r in ours if all(r[key] == group[key] for key in IDENTITY)]
    return max(same, key=lambda r: r["batch"])["ms_per_lp"] if same else None


def three_digits(number):
    return f"{number:.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}" if number >= 1 else f"{number:.3f}"


def name_of(group):
    words = [f"{group['rows']}x{group['columns']}", group["weights"]]
    words += ["leaky"] if group["activation"] != "relu" else []
    words += ["clean"] if group["noise"] == 0 else []
    return " ".join([*words, group["method"]])


def cells_of(answers, ended, errors, gate_errors, mine, limit):
    """The three lines of a peer's cell, and whether it counts."""
    if not answers:
        return (f">{three_digits(1e3 * limit)}", "time", "") if ended == "time" else ("-", ended or "failed", ""), False
    milliseconds = 1e3 * sum(taken for _, taken, _, _ in answers) / len(answers)
    solved = sum(error <= GATE for error in gate_errors)
    passed = solved == len(answers)
    if ended == "time":
        # The LP that was stopped took at least this long.
        milliseconds = (milliseconds * len(answers) + 1e3 * limit) / (len(answers) + 1)
        return (f">{three_digits(milliseconds)}", "time", f"{solved}/{len(answers) + 1}"), False
    ratio = f"{three_digits(milliseconds / mine)}x" if mine else ""
    if ended or not passed:
        return (three_digits(milliseconds), ended or "FAIL", f"{solved}/{len(answers)}"), False
    return (three_digits(milliseconds), ratio, digits(max(errors))), True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="the folder that `unrelu bench lp --export` wrote")
    parser.add_argument("--ours", type=Path, help="the output of `unrelu bench lp --json` from the same session")
    parser.add_argument("--seconds", type=float, default=1.0, help="time limit per peer and group; at least one LP is solved (1)")
    parser.add_argument("--limit", type=float, default=20.0, help="time limit per LP in seconds of wall-clock time (20)")
    parser.add_argument("--lps", type=int, default=20, help="maximum number of LPs per group (20)")
    parser.add_argument("--peers", help="only these packages: piqp,daqp")
    parser.add_argument("--groups", help="only groups whose name contains one of these: '500x100,784x60 trained'")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    if not (arguments.folder / "index.json").is_file():
        parser.error(f"{arguments.folder} has no index.json; run `unrelu bench lp --export {arguments.folder}`")
    groups = json.loads((arguments.folder / "index.json").read_text())
    if arguments.groups:
        groups = [g for g in groups if any(part in name_of(g) for part in arguments.groups.split(","))]
        if not groups:
            parser.error(f"--groups {arguments.groups}: no group in {arguments.folder} has this in its name")
    ours = json.loads(arguments.ours.read_text()) if arguments.ours else []

    packages = list(dict.fromkeys(package for _, package, _ in PEERS))
    wanted = arguments.peers.split(",") if arguments.peers else packages
    if unknown := set(wanted) - set(packages):
        parser.error(f"--peers {','.join(sorted(unknown))}: expected some of {','.join(packages)}")
    peers, missing = [], []
    for name, package, make in PEERS:
        if package in wanted:
            try:
                peers.append((name, make()))
            except ImportError:
                missing.append(package)
    if missing:
        print(f"left out: {', '.join(sorted(set(missing)))}; pip install {' '.join(sorted(set(missing)))}\n")

    print("Milliseconds per LP, one thread, processor time; below it the ratio to unrelu's (x) and the digits of the worst")
    print(f"objective. FAIL: some objective is off by more than {GATE:g} (LPs that passed / LPs tried). time: one LP took more than")
    print(f"{arguments.limit:g} s. Each peer solves LPs of a group for {arguments.seconds:g} s, at most {arguments.lps}. fastest: of the peers that passed.")
    print(KEY + "\n")
    print(f"{'':31}{'unrelu':>8}{'fastest':>9}" + "".join(f"{name:>9}" for name, _ in peers))
    figures = []
    for group in groups:
        mine = our_milliseconds(ours, group)
        results = [run(prepare, arguments.folder, group, arguments) for _, prepare in peers]
        everything = [answer for answers, _ in results for answer in answers]
        best = best_objectives(group, everything)
        certified = {index: entry["objective"] for index, entry in enumerate(group["lps"])}
        error = our_error(group, best, everything)
        columns, fastest = [], None
        for (name, _), (answers, ended) in zip(peers, results):
            errors = errors_of(answers, group["lps"], best)
            gate_errors = errors_of(answers, group["lps"], certified)
            cell, passed = cells_of(answers, ended, errors, gate_errors, mine, arguments.limit)
            milliseconds = 1e3 * sum(taken for _, taken, _, _ in answers) / len(answers) if answers else None
            if passed and (fastest is None or milliseconds < fastest[0]):
                fastest = (milliseconds, name)
            columns.append(cell)
            worst = max(errors, default=np.inf)
            figures.append({
                **{key: group[key] for key in IDENTITY}, "peer": name, "lps": len(answers), "passed": passed, "ended": ended,
                "ms_per_lp": milliseconds, "ratio": milliseconds / mine if mine and milliseconds else None,
                "error": worst if np.isfinite(worst) else None, "unrelu_error": error,
            })
        first = [three_digits(mine) if mine else "-", three_digits(fastest[0]) if fastest else "-"]
        second = ["", f"{three_digits(fastest[0] / mine)}x" if fastest and mine else ""]
        third = [digits(error) if everything else "-", fastest[1] if fastest else ""]
        sign = "z>=0" if group["nonnegative"] else "free"
        label = [name_of(group), f"  {sign}", ""]
        for line, own in enumerate((first, second, third)):
            text = f"{label[line]:31}{own[0]:>8}{own[1]:>9}" + "".join(f"{cell[line]:>9}" for cell in columns)
            print(text.rstrip(), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
