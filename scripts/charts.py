#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Draw the results of bench.py as SVG files next to its results.json.

Uses /usr/bin/python3, because matplotlib is a package of the system.

  charts.py RESULTS.json
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib
matplotlib.use("svg")
import matplotlib.pyplot as plt  # pylint: disable=wrong-import-position

# Reproducible files, with text that can be searched.
plt.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9})
COLOURS = {"base/c": "tab:gray", "c": "tab:blue", "rust": "tab:orange"}
LINES = ["-", "--", ":", "-."]


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def calls_of(results):
    """Return {(filesystem, call): {(processes, namespaces): {flavour: instructions}}}"""
    calls = defaultdict(lambda: defaultdict(dict))
    for figure in results["figures"]:
        if "call" in figure:
            counts = figure["processes"], figure["namespaces"]
            calls[figure["filesystem"], figure["call"]][counts][figure["flavour"]] = figure
    return calls


def row_of(counts):
    """Return the results for the fewest processes and namespaces."""
    return counts[min(counts)]


def draw_ratios(results, path):
    rows = [(f"{call}, {filesystem}" if filesystem else call, row_of(counts))
            for (filesystem, call), counts in calls_of(results).items()]
    rows = [(name, row["rust"]["minimum"] / row["c"]["minimum"])
            for name, row in rows if {"c", "rust"} <= row.keys()]
    if not rows:
        return
    figure, axes = plt.subplots(figsize=(8, 0.22 * len(rows) + 1))
    names, ratios = zip(*reversed(rows))
    bars = axes.barh(names, ratios, color=["tab:red" if r > 1 else "tab:green" for r in ratios])
    axes.bar_label(bars, fmt="%.3f", padding=3)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlim(0, max(ratios) * 1.12)
    axes.margins(y=0.01)
    axes.set_title("Instructions per call: rust / c")
    save(figure, path)


def draw_growth(results, path):
    figure, all_axes = plt.subplots(1, 2, figsize=(10, 5), sharey=True)
    for axes, axis, filesystem in zip(all_axes, (0, 1), ("pidfs", "nsfs")):
        wanted = ["encode", "open + close", "open + close, not open elsewhere", "stale"]
        for call, line in zip(wanted, LINES):
            counts = calls_of(results)[filesystem, call]
            along = sorted(c for c in counts if c[1 - axis] == min(counts)[1 - axis])
            for flavour in row_of(counts):
                axes.plot([c[axis] for c in along], [counts[c][flavour]["median"] for c in along],
                          line, marker="o", color=COLOURS[flavour], label=f"{call}, {flavour}")
        axes.set_xscale("log", base=2)
        axes.set_xticks([c[axis] for c in along], [str(c[axis]) for c in along])
        axes.set_xlabel(["processes", "namespaces"][axis])
        axes.set_title(f"{filesystem}: instructions per call")
    all_axes[0].set_ylim(bottom=0)
    all_axes[1].legend(bbox_to_anchor=(1.02, 1), loc="upper left")
    save(figure, path)


def draw_curve(axes, lines, scale):
    """Draw one line for each method and flavour: scale(time, n) over n."""
    ways = list(dict.fromkeys(line["how"] for line in lines))
    for line in lines:
        axes.plot([n for n, _ in line["points"]], [scale(time, n) for n, time in line["points"]],
                  LINES[ways.index(line["how"])], marker=".", color=COLOURS[line["flavour"]],
                  label=f"{line['how']}, {line['flavour']}")
    axes.set_xscale("log", base=2)
    axes.set_xlabel("N")
    axes.set_title(lines[0]["curve"])
    axes.legend()


def curves_of(results, cold):
    curves = defaultdict(list)
    for line in results["curves"]:
        if ("cold" in line["curve"]) == cold:
            curves[line["curve"]].append(line)
    return list(curves.values())


def draw_curves(results, path):
    curves = curves_of(results, cold=False)
    rows = (len(curves) + 1) // 2
    figure, all_axes = plt.subplots(rows, 2, figsize=(11, 4.5 * rows), squeeze=False)
    for axes in all_axes.flat[len(curves):]:
        axes.axis("off")
    for axes, lines in zip(all_axes.flat, curves):
        draw_curve(axes, lines, lambda time, n: time / n)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("instructions / N")
    save(figure, path)


def draw_cold(results, path):
    curves = curves_of(results, cold=True)
    if not curves:
        return
    figure, axes = plt.subplots(figsize=(7, 5))
    for lines in curves:
        draw_curve(axes, lines, lambda time, n: time / 1e6)
    axes.set_yscale("log")
    axes.set_ylabel("milliseconds of the guest's clock")
    save(figure, path)


def main():
    if len(sys.argv) != 2:
        sys.exit("charts: error: what is to be drawn is one results.json")
    path = Path(sys.argv[1])
    results = json.loads(path.read_text())
    for name, draw in (("ratios", draw_ratios), ("growth", draw_growth),
                       ("curves", draw_curves), ("cold", draw_cold)):
        draw(results, path.with_name(f"{name}.svg"))
    print(f"charts: {path.parent}/*.svg")


if __name__ == "__main__":
    main()
