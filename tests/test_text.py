"""Records in a terminal: one line, and a card that holds what a reader asks first."""

from fractions import Fraction

from grokverify import Claim, Lab, Source, Verdict, check, exact, verify
from grokverify._text import card, line


@check(dict(n=2), dict(n=3))
def cubes(lab, n, power=2):
    yield exact("n", n).beside(printed=Fraction(5, 2))
    for k in range(8):
        yield exact(f"constant {k}", k)
    yield exact("cube", Fraction(n**power, 7)).equals(Fraction(n**3, 7))


def made(**changed):
    one = Claim(
        id="test/cubes",
        source=Source("A paper", "Theorem 1"),
        title="Cubes\x1b[31m",
        statement="word " * 60,
        checks=(cubes,),
        controls=(cubes.but(power=3).must_hold(),),
        gap="Two cases.",
        **changed,
    )
    return verify(one, Lab(profile="smoke"))


def test_a_card_tells_verdict_constants_witness_and_gap():
    text = card(made(expect=Verdict.REFUTED), width=60)
    lines = text.splitlines()
    assert lines[0].startswith("┌ ✗ refuted · exact × exhaustive · ")
    assert "│ A paper, Theorem 1" in lines
    assert "│ n = 2   (printed 5/2)" in lines
    assert "│ counterexample: n = 2" in lines
    assert "│ and 4 more constants" in lines
    assert "│ not covered: Two cases." in lines
    assert lines[-1] == "└ test/cubes"
    assert max(map(len, lines)) <= 60
    assert "\x1b" not in text


def test_a_surprise_gives_its_reason():
    record = made()
    assert "expected verified" in card(record).splitlines()[0]
    assert "cube = 4/7 fails to be equal to 8/7" in card(record)
    assert line(record).endswith("expected verified")


def test_ipython_in_a_terminal_prints_the_explanation():
    class Printer:
        said = ""

        def text(self, what):
            self.said += what

    record, printer = made(expect=Verdict.REFUTED), Printer()
    record._repr_pretty_(printer, False)
    assert printer.said == record.explain()
