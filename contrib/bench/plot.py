"""The plot of the README: an SVG with the wall time of every agent as a multiple of mailferry's,
on a logarithmic scale.
"""

import html
import math

COLOURS = {
    "mailferry": "#1b6ca8",
    "mpop": "#e08214",
    "fdm": "#8073ac",
    "fetchmail": "#b2abd2",
    "getmail": "#bbbbbb",
    "raw": "#4d9221",
}
LABELS, WIDTH, HEIGHT, GAP = 300, 560, 13, 14


def svg(results, form):
    """One group of bars for each work that mailferry has a result for."""
    groups = []
    for work, rows in results:
        ours = next((row.figure("wall") for row in rows.values() if row.agent == "mailferry"), None)
        bars = [
            (row, row.figure("wall") / ours) for row in rows.values() if ours and row.figure("wall")
        ]
        if len(bars) > 1:
            groups.append((work, sorted(bars, key=lambda bar: bar[1])))
    ratios = [ratio for _, bars in groups for _, ratio in bars] or [1]
    low, high = math.floor(math.log10(min(ratios))), max(math.ceil(math.log10(max(ratios))), 0)
    low, high = min(low, -1), max(high, low + 1, 1)

    def x(ratio):
        return LABELS + WIDTH * (math.log10(ratio) - low) / (high - low)

    out, y = [], 46
    for work, bars in groups:
        out.append(text(8, y + 10, f"{work.name}: {work.title}", "start", "bold"))
        y += 16
        for row, ratio in bars:
            name = row.name if row.agent != "raw" else "floor"
            right = x(ratio)
            out.append(text(LABELS - 8, y + 10, name, "end"))
            out.append(
                f'<rect x="{LABELS}" y="{y}" width="{max(right - LABELS, 2):.1f}" '
                f'height="{HEIGHT - 2}" '
                f'fill="{COLOURS.get(row.agent, "#888")}"/>'
            )
            wall = row.figure("wall")
            out.append(
                text(
                    right + 5,
                    y + 10,
                    f"{wall:.2f} s" + ("" if ratio == 1 else f", x{ratio:.2g}"),
                    "start",
                )
            )
            y += HEIGHT
        y += GAP
    ticks = "".join(
        f'<line x1="{x(10**power):.1f}" x2="{x(10**power):.1f}" y1="38" y2="{y - GAP}" '
        f'stroke="#ddd"/>' + text(x(10**power), 32, f"x{10.0**power:g}", "middle")
        for power in range(low, high + 1)
    )
    title = text(
        8,
        16,
        f"Wall time as a multiple of mailferry's (logarithmic; shorter is faster). {form}",
        "start",
        "bold",
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LABELS + WIDTH + 120} {y}" '
        f'font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" '
        f'fill="#fff"/>{title}{ticks}{"".join(out)}</svg>\n'
    )


def text(x, y, words, anchor, weight="normal"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{html.escape(words)}</text>'
    )
