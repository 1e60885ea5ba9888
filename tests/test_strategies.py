import pytest
from hypothesis import given

from grokverify.strategies import primes


@given(primes(min_value=5, max_value=31))
def test_primes(p):
    assert 5 <= p <= 31
    assert all(p % k for k in range(2, p))


def test_an_empty_range_is_refused():
    with pytest.raises(ValueError, match="no prime from 24 to 28"):
        primes(min_value=24, max_value=28)
