r"""LaTeX statements as HTML with MathML that has been parsed again and allow-listed.

latex2mathml passes ``\text{<script>}``, ``\href{javascript:...}`` and ``\style`` through, so its
output is foreign text: what is not on the lists below is shown as its LaTeX source instead.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from itertools import pairwise
from xml.etree import ElementTree

from markupsafe import Markup

from grokverify.report._text import clean

_MATH = re.compile(
    r"(?<!\\)\$\$(?P<a>.+?)(?<!\\)\$\$|\\\[(?P<b>.+?)\\\]"
    r"|(?<!\\)\$(?P<c>[^$]+?)(?<!\\)\$|\\\((?P<d>.+?)\\\)",
    re.DOTALL,
)
_XMLNS = "{http://www.w3.org/1998/Math/MathML}"
_ELEMENTS = (
    frozenset(
        (
            "math",
            "mfrac",
            "mi",
            "mn",
            "mo",
            "mover",
            "mpadded",
            "mphantom",
            "mroot",
            "mrow",
            "mspace",
        )
    )
    | frozenset(
        ("msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder")
    )
    | {"munderover"}
)
_LENGTH = re.compile(r"[+-]?(\d{1,2}(\.\d*)?|\.\d+)(em|ex|px|pt|mu)?|0")
_WORD = re.compile(r"[a-z-]{1,20}( [a-z-]{1,20}){0,30}")
_KEYWORDS = (
    *("accent", "accentunder", "columnalign", "display", "displaystyle", "fence", "form"),
    *("largeop", "mathvariant", "movablelimits", "rowalign", "separator", "stretchy", "symmetric"),
)
_LENGTHS = (
    *("columnspacing", "depth", "height", "linethickness", "lspace", "maxsize", "minsize"),
    *("rowspacing", "rspace", "scriptlevel", "voffset", "width"),
)
_ATTRIBUTES = {**dict.fromkeys(_KEYWORDS, _WORD), **dict.fromkeys(_LENGTHS, _LENGTH)}
_LIMITS = frozenset(("max", "min", "sup", "inf", "lim", "limsup", "liminf", "argmax", "argmin"))
_LONGEST = 2000  # characters of one formula
_SHORT = 24  # a formula of fewer characters stays on one line
# A line may break after these where they stand at the top level of a formula, as in TeX.
_RELATIONS = frozenset("=<>≤≥≠≈≡∼≃≅∝∈∉⊂⊆⊇→⇒⇔⟹⟺⟶↦≪≫≲≳:,;")
_OPENING, _CLOSING = frozenset("([{⟨⌊⌈"), frozenset(")]}⟩⌋⌉!′″")
_TIGHT = {"lspace": "0", "rspace": "0"}
_FLAT = {**_TIGHT, "stretchy": "false"}
# What the converter marks up as the wrong thing: element, text and attributes to use instead.
_ROLES: dict[str, tuple[str, str, dict[str, str]]] = {
    "~": ("mo", "∼", {}),
    ":": ("mo", ":", {}),
    "∞": ("mi", "∞", {}),
    "⊤": ("mi", "⊤", {}),
    "⟨": ("mo", "⟨", _FLAT),
    "⟩": ("mo", "⟩", _FLAT),
    "|": ("mo", "|", _FLAT),
    "‖": ("mo", "‖", _FLAT),
    "/": ("mo", "/", _FLAT),
    "′": ("mo", "′", {**_TIGHT, "class": "prime"}),
    "″": ("mo", "″", {**_TIGHT, "class": "prime"}),
    "―": ("mo", "¯", {"stretchy": "true"}),
}


class _Unsafe(ValueError):
    """The converted formula holds something that is not on the lists."""


def prose(text: object) -> Markup:
    """Words with $...$ formulas as HTML; blank lines separate paragraphs."""
    parts = [p for p in re.split(r"\n\s*\n", clean(text).strip()) if p.strip()]
    if len(parts) <= 1:
        return Markup(_paragraph(parts[0] if parts else ""))
    return Markup("".join(f"<p>{_paragraph(p)}</p>" for p in parts))


def formula(latex: str, display: bool = False) -> Markup:
    """One formula as MathML, or its source in <code> where it cannot be converted safely."""
    return Markup("<wbr>".join(_pieces(latex.strip(), display)))


def _paragraph(text: str) -> str:
    """Glue formulas to the punctuation around them: a line must not start with a comma."""
    out, last = [], 0
    for found in _MATH.finditer(text):
        before = _plain(text[last : found.start()])
        last = found.end()
        if found["a"] or found["b"]:
            out.append(escape(before) + "".join(_pieces(found["a"] or found["b"], True)))
            continue
        head, word = _tail(before)
        out.append(escape(head))
        after = re.match(r"[^\s$]{0,12}", text[last:])
        stuck = _plain(after[0]) if after else ""
        last += len(after[0]) if after else 0
        pieces = list(_pieces((found["c"] or found["d"]).strip(), False))
        pieces[0] = escape(word) + pieces[0]
        pieces[-1] += escape(stuck)
        out.append("<wbr>".join(f'<span class="nb">{piece}</span>' for piece in pieces))
    out.append(escape(_plain(text[last:])))
    return "".join(out)


def _tail(text: str) -> tuple[str, str]:
    """Split off what stands before a formula without a space, such as an opening bracket."""
    cut = max(text.rfind(" "), text.rfind("\n"), len(text) - 12 - 1) + 1
    return text[:cut], text[cut:]


def _plain(text: str) -> str:
    for old, new in (("\\%", "%"), ("\\&", "&"), ("\\$", "$"), ("\\_", "_"), ("---", "—")):
        text = text.replace(old, new)
    return text.replace("--", "–").replace("``", "“").replace("''", "”")


@lru_cache(maxsize=4096)
def _pieces(latex: str, display: bool) -> tuple[str, ...]:
    from latex2mathml.converter import convert

    source = clean(latex, _LONGEST)
    try:
        if len(latex) > _LONGEST:
            raise _Unsafe("too long")
        root = ElementTree.fromstring(convert(latex, display="block" if display else "inline"))
        _check(root)
        _polish(root, display)
    except Exception:  # a converter for foreign text may fail in any way; the source still reads
        return (f'<code class="tex">{escape(source)}</code>',)
    if display:
        inner = "".join(map(_write, root))
        return (f'<span class="display" tabindex="0"><math display="block">{inner}</math></span>',)
    row = root[0] if len(root) == 1 and root[0].tag == "mrow" else root
    pieces = _broken(row) if len(latex) > _SHORT else ["".join(map(_write, row))]
    return tuple(f"<math>{piece}</math>" for piece in pieces)


def _check(node: ElementTree.Element) -> None:
    node.tag = node.tag.removeprefix(_XMLNS)
    if node.tag not in _ELEMENTS:
        raise _Unsafe(f"element {node.tag!r}")
    for key, value in node.attrib.items():
        if key not in _ATTRIBUTES or not _ATTRIBUTES[key].fullmatch(value):
            raise _Unsafe(f"attribute {key}={value!r}")
    if (node.text or "").startswith("\\"):
        raise _Unsafe(f"unknown macro {node.text!r}")
    for child in node:
        _check(child)


def _polish(node: ElementTree.Element, display: bool) -> None:
    """Mend what browsers set badly: alphabets, mistaken roles, spaces round norms and signs."""
    variant = node.attrib.get("mathvariant", "")
    if variant and variant != "normal":
        node.text = "".join(_styled(c, variant) for c in node.text or "")
        del node.attrib["mathvariant"]
    text = (node.text or "").strip()
    if node.tag in ("mi", "mo") and text in _ROLES:
        node.tag, node.text, spaces = _ROLES[text]
        node.attrib = spaces | ({k: v for k, v in node.attrib.items() if k != "fence"})
    elif node.tag == "mo" and len(text) > 1 and text.isalpha() and text != "mod":
        node.tag, node.attrib = "mi", {}
    for child in node:
        _polish(child, display)
    if display and node.tag == "msub" and (node[0].text or "") in _LIMITS:
        node.tag = "munder"
    if node.tag == "mrow" and len(node) == 1 and node[0].text == ",":  # 10{,}000
        node[0].attrib = dict(_TIGHT)
    _sign(node)
    _space(node)
    _merge(node)


def _sign(node: ElementTree.Element) -> None:
    """A minus after another operator is a sign, not a difference."""
    for before, child in pairwise(node):
        ends = (before.text or "").strip() in _CLOSING or before.attrib.get("form") == "postfix"
        if child.tag == "mo" and child.text in ("−", "±") and before.tag == "mo" and not ends:
            child.attrib["form"] = "prefix"


def _space(node: ElementTree.Element) -> None:
    """Thin spaces round the names of functions, "log n" and not "logn"."""
    if node.tag not in ("mrow", "math", "mtd", "mstyle"):
        return
    spaced: list[ElementTree.Element] = []
    for child in node:
        if spaced and (_function(child) or _function(spaced[-1])):
            pair = (spaced[-1], child)
            if all(one.tag not in ("mo", "mtext", "mspace") for one in pair):
                spaced.append(ElementTree.Element("mspace", width="0.17em"))
        spaced.append(child)
    node[:] = spaced


def _function(node: ElementTree.Element) -> bool:
    if node.tag in ("msub", "msup", "msubsup", "munder", "mover", "munderover") and len(node):
        return _function(node[0])
    return node.tag == "mi" and len(node.text or "") > 1 and (node.text or "").isalpha()


def _merge(node: ElementTree.Element) -> None:
    r"""\mathrm{vol} comes as three identifiers; one word is set and read aloud better."""
    if node.tag not in ("mrow", "math") or len(node) < 2:
        return
    if all(c.tag == "mi" and c.attrib == {"mathvariant": "normal"} for c in node):
        word = ElementTree.Element("mi")
        word.text = "".join(c.text or "" for c in node)
        node[:] = [word]


# First capital, small letter, digit and small Greek letter of the mathematical alphabets.
_BLOCKS = {
    "bold": (0x1D400, 0x1D41A, 0x1D7CE, 0x1D6C2),
    "bold-italic": (0x1D468, 0x1D482, 0x1D7CE, 0x1D736),
    "double-struck": (0x1D538, 0x1D552, 0x1D7D8, 0),
}
_OLDER = {"C": "ℂ", "H": "ℍ", "N": "ℕ", "P": "ℙ", "Q": "ℚ", "R": "ℝ", "Z": "ℤ"}


def _styled(c: str, variant: str) -> str:
    if variant == "double-struck" and c in _OLDER:
        return _OLDER[c]
    for ends, base in zip(("AZ", "az", "09", "αω"), _BLOCKS.get(variant, ()), strict=False):
        if base and ends[0] <= c <= ends[1]:
            return chr(base + ord(c) - ord(ends[0]))
    return c


def _broken(row: ElementTree.Element) -> list[str]:
    """A formula cut after its outermost relations, so that long ones wrap on a narrow screen."""
    pieces, depth = [""], 0
    for child in row:
        text = (child.text or "").strip() if child.tag == "mo" else ""
        depth += (text in _OPENING) - (text in ")]}⟩⌋⌉") if text else 0
        relation = text in _RELATIONS and text != "" and depth <= 0
        if relation:
            child.attrib.setdefault("form", "infix")
        pieces[-1] += _write(child)
        if relation and child is not row[-1]:
            pieces.append("")
    return pieces


def _write(node: ElementTree.Element) -> str:
    keys = "".join(f' {k}="{escape(v)}"' for k, v in node.attrib.items())
    inner = escape(node.text or "", quote=False) + "".join(map(_write, node))
    return f"<{node.tag}{keys}>{inner}</{node.tag}>"
