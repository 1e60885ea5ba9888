"""Formulas become MathML, and nothing but MathML."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from grokverify.report._mathml import _ELEMENTS, formula, prose

GOOD = [
    r"p \ge 3",
    r"\lVert w \rVert_\infty \le \frac{1}{2}",
    r"\operatorname{rank}(K) = \min(2 p - 1, h)",
    r"\mathbb{E}[X] \to \infty",
    r"\sum_{i=1}^n x_i^2",
    r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}",
    r"\hat{f}_{\theta}(x) \approx \mathbf{w}^\top x",
    r"\tilde\Omega(n) = \mathcal{O}\left(\sqrt{n \log n}\right)",
    r"x \bmod p, \quad \binom{n}{k}, \quad \text{if } x \ne 0",
    r"\begin{cases} 1 & x \\ 0 & y \end{cases}",
    r"\{x : x > 0\}, \langle x, y \rangle, \mathbb F_q, \boldsymbol{\theta}",
]
BAD = [
    r"\text{<script>alert(1)</script>}",
    r"\text{</math><img src=x onerror=alert(1)>}",
    r"\text{]]><b>}",
    r"\text{<![CDATA[x]]>}",
    r"\text{<!--}",
    r"\text{&lt;script&gt; &amp; &nbsp;}",
    r"\href{javascript:alert(1)}{x}",
    r"\style{position:fixed}{x}",
    r"\class{skip}{x}",
    r"\color{red}{x}",
    r"\hspace{9999em}x",
    r"\unknownmacro{x}",
    r"\frac{",
    "{" * 500,
    "x" * 5000,
]


@pytest.mark.parametrize("latex", GOOD)
@pytest.mark.parametrize("display", [False, True])
def test_good_latex_becomes_mathml(latex: str, display: bool) -> None:
    html = formula(latex, display)
    assert "<code" not in html
    assert "\\" not in html
    tree = ElementTree.fromstring(f"<p>{html.replace('<wbr>', '')}</p>")
    assert {e.tag for e in tree.iter()} <= _ELEMENTS | {"p", "span"}


@pytest.mark.parametrize("latex", BAD)
def test_bad_latex_is_shown_as_its_source(latex: str, parse) -> None:
    html = str(prose(f"before ${latex}$ after"))
    tree = parse(html)
    assert {tag for tag, _ in tree.elements} <= _ELEMENTS | {"span", "code", "wbr"}
    for tag, attributes in tree.elements:
        assert not {"href", "style", "onerror", "src"} & set(attributes), (tag, attributes)
        assert tag in ("code", "span") or "class" not in attributes
    assert "javascript" not in html or "<code" in html


@pytest.mark.parametrize("latex", [b for b in BAD[:11] if "CDATA" not in b and "&" not in b])
def test_the_source_of_a_refused_formula_stays_readable(latex: str, parse) -> None:
    tree = parse(str(prose(f"${latex}$")))
    assert [a["class"] for a in tree.all("code")] == ["tex"]
    assert tree.text == latex


def test_words_around_formulas_are_escaped() -> None:
    assert prose("a <b> & $x$") == (
        'a &lt;b&gt; &amp; <span class="nb"><math><mi>x</mi></math></span>'
    )
    assert prose("5\\% costs 3 $ or \\$4") == "5% costs 3 $ or $4"
    assert prose("one\n\ntwo") == "<p>one</p><p>two</p>"
    assert prose("") == ""


def test_punctuation_stays_with_its_formula() -> None:
    assert prose("all ($x$), too").startswith('all <span class="nb">(<math>')
    assert "</math>),</span> too" in prose("all ($x$), too")


def test_a_long_formula_may_wrap_after_its_outermost_relations() -> None:
    html = prose(r"$f(a = b) \le g(x) + \frac{c = d}{2} \le \max(u, v, w) = z$")
    assert html.count("<wbr>") == 3
    assert "<wbr>" not in prose(r"$a \le b$")


def test_what_browsers_set_badly_is_mended() -> None:
    assert "<mi>rank</mi>" in formula(r"\operatorname{rank}(A)")
    assert "<mi>𝐰</mi>" in formula(r"\mathbf{w}")
    assert "𝜽" in formula(r"\boldsymbol{\theta}")
    assert "𝔽" in formula(r"\mathbb F_q")
    assert '<mi>log</mi><mspace width="0.17em"></mspace><mi>n</mi>' in formula(r"\log n")
    assert '<mo form="prefix">−</mo><mn>1</mn>' in formula(r"a \le -1")
    assert "<mo>∼</mo>" in formula(r"x \sim y")
    assert not re.search(r"<mo>‖", formula(r"\|x\|"))
    assert "<munder><mi>max</mi>" in formula(r"\max_{x} f(x)", display=True)
