"""What the site needs beyond Markdown: MathML, and the way from a source file to its reference."""

import html
import re

from latex2mathml.converter import convert

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
# [`name`](../keras_vae/module.py): the file is not part of the site, its documentation is.
_SOURCE = re.compile(r"\[`([\w.]+)`\]\((?:\.\./)+((?:keras_vae|export)/[\w/]+)\.py\)")


def on_page_markdown(markdown, **_):
    """Turn links to names in source files into links to the reference.

    Args:
        markdown: str, a page.

    Returns:
        str, the page.
    """
    return _SOURCE.sub(lambda found: f"[`{found[1]}`][{_identifier(*found.groups())}]", markdown)


def on_page_content(html, **_):
    """Turn formulas into MathML, which a browser shows without a script.

    Args:
        html: str, the HTML of a page.

    Returns:
        str, the HTML.
    """
    return _FORMULA.sub(_mathml, html)


def _identifier(name, path):
    module = path.replace("/", ".").removesuffix(".__init__")
    return module if module.endswith(f".{name}") else f"{module}.{name}"


def _mathml(found):
    kind, formula = found.groups()
    display = "block" if kind == "div" else "inline"
    return convert(html.unescape(formula.strip()), display=display)
