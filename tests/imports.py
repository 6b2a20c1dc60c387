"""Which module imports which, and the picture of it: python tests/imports.py [FILE.svg]

The layers are those of docs/architecture.md: a part imports from its own layer and those below it.
"""

import ast
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "architecture.svg"
PACKAGES = ("keras_vae", "export", "keras_vae_cli")
# From the top down; the parts of a layer by name. Mathematics and data do not know each other.
LAYERS = {
    "command line": ["keras_vae_cli"],
    "export": ["export"],
    "run folders": ["runs", "trainings", "uses"],
    "what a model is for": [
        "callbacks",
        "latent",
        "anomaly",
        "estimators",
        "tabular",
        "restore",
        "compression",
        "sample_quality",
    ],
    "model": [
        "semi_supervised",
        "conditional",
        "model",
        "diagnosis",
        "findings",
        "fitting",
        "evaluation",
    ],
    "training": ["training", "strategies"],
    "data": ["data"],
    "mathematics": [
        "aggregate",
        "annealing",
        "bounds",
        "objectives",
        "priors",
        "posteriors",
        "flows",
        "networks",
        "likelihoods",
        "distributions",
        "generation",
        "layers",
        "schedules",
        "optimizers",
    ],
    "basics": [
        "plotting",
        "facts",
        "model_card",
        "results",
        "shards",
        "checkpoints",
        "files",
        "workers",
        "meeting",
        "columns",
        "power_transform",
        "registry",
        "shapes",
        "random",
        "parts",
        "progress",
        "checks",
    ],
}


def modules():
    """Return the path of every module by its name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def names_in(source, package, known=None):
    """Return the dotted names that a text of Python imports anywhere, also within functions.

    Args:
        source: str.
        package: str, what the text is in, for `from . import x`.
        known: the modules there are: `from a import b` means a where there is no module a.b.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            full = {f"{base}.{alias.name}" for alias in node.names}
            names |= {name if known is None or name in known else base for name in full}
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            names |= {arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)}
    return names


def imports():
    """Return, by module, the modules of the project that it imports."""
    paths = modules()
    found = {}
    for name, path in paths.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        names = names_in(path.read_text(encoding="utf-8"), package, paths)
        found[name] = (names & paths.keys()) - {name}
    return found


def part_of(module):
    """Return the part of the picture that a module belongs to, None for the package itself."""
    package, *rest = module.split(".")
    return package if package != "keras_vae" else (rest[0] if rest else None)


def between_parts():
    """Return the pairs (importer, imported) of different parts."""
    pairs = {
        (part_of(module), part_of(other)) for module, found in imports().items() for other in found
    }
    return {(one, other) for one, other in pairs if one != other and None not in (one, other)}


def layer_of(part):
    """Return the place of a part's layer, 0 for the top."""
    return next(place for place, parts in enumerate(LAYERS.values()) if part in parts)


def arrows():
    """Return the pairs of layers of which one imports the other, but for what it has by way of
    another one."""
    names = list(LAYERS)
    between = [tuple(names[layer_of(part)] for part in pair) for pair in between_parts()]
    direct = {pair for pair in between if pair[0] != pair[1]}
    below = {name: {other for one, other in direct if one == name} for name in names}
    for name in reversed(names):
        below[name] |= {deep for other in below[name] for deep in below[other]}
    return sorted(
        (one, other)
        for one, other in direct
        if not any(other in below[middle] for first, middle in direct if first == one)
    )


_WIDTH, _LEFT, _PAD, _LINE, _GAP, _ROUND = 780, 168, 10, 24, 22, 64
_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img"
     font-family="system-ui, sans-serif" font-size="13">
<title>The layers of the project, and what each imports</title>
<style>
  text {{ fill: #24292f }} .box {{ fill: #f3f4f6 }} .part {{ fill: #ffffff; stroke: #c9ced6 }}
  path {{ fill: none; stroke: #0072b2; stroke-width: 1.5 }} marker path {{ fill: #0072b2 }}
  @media (prefers-color-scheme: dark) {{
    text {{ fill: #e6e8eb }} .box {{ fill: #24272d }} .part {{ fill: #32363e; stroke: #50565f }}
    path {{ stroke: #56b4e9 }} marker path {{ fill: #56b4e9 }}
  }}
</style>
<defs><marker id="head" orient="auto" markerWidth="8" markerHeight="8" refX="7" refY="4">
<path d="M1 1 L7 4 L1 7 z"/></marker></defs>
{body}
</svg>
"""


def _box(name, parts, top):
    """Return the lines of a layer and its height."""
    lines, x, y = [], _LEFT, top + _PAD
    for part in parts:
        wide = round(7.4 * len(part)) + 16
        if x + wide > _WIDTH - _PAD:
            x, y = _LEFT, y + _LINE + 6
        lines += [
            f'<rect class="part" x="{x}" y="{y}" width="{wide}" height="{_LINE}" rx="4"/>',
            f'<text x="{x + wide / 2}" y="{y + 16}" text-anchor="middle">{part}</text>',
        ]
        x += wide + 8
    height = y + _LINE + _PAD - top
    box = f'<rect class="box" x="1" y="{top}" width="{_WIDTH}" height="{height}" rx="8"/>'
    title = f'<text x="14" y="{top + height / 2 + 5}" font-weight="600">{name}</text>'
    return [box, title, *lines], height


def _arrow(one, other, lane):
    """Return the line from a layer to the next, or in a lane around what lies between them."""
    (start, height), (end, below) = one, other
    if end == start + height + _GAP:
        line = f"M80 {start + height} V{end - 1}"
    else:
        right = _WIDTH + 14 + 14 * lane
        line = f"M{_WIDTH + 1} {start + height / 2} H{right} V{end + below / 2} H{_WIDTH + 3}"
    return f'<path d="{line}" marker-end="url(#head)"/>'


def picture():
    """Return the layers and the arrows between them as SVG."""
    body, boxes, top = [], {}, 1
    for name, parts in LAYERS.items():
        lines, height = _box(name, parts, top)
        body += lines
        boxes[name] = top, height
        top += height + _GAP
    # In the order of their length, so that lines cross seldom.
    pairs = sorted((boxes[other][0] - boxes[one][0], one, other) for one, other in arrows())
    body += [
        _arrow(boxes[one], boxes[other], lane % 4) for lane, (_, one, other) in enumerate(pairs)
    ]
    return _SVG.format(width=_WIDTH + _ROUND, height=top - _GAP + 1, body="\n".join(body))


if __name__ == "__main__":
    pathlib.Path(sys.argv[1] if sys.argv[1:] else PICTURE).write_text(picture(), encoding="utf-8")
