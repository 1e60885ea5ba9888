"""Statistics of verdicts: enclosures that may be watched and stopped at will, with their risk."""

from grokverify.stats._confirm import largest as largest
from grokverify.stats._exponent import (
    Exponent as Exponent,
    exponent as exponent,
    median_interval as median_interval,
    seeds_needed as seeds_needed,
)
from grokverify.stats._frequency import (
    confidence_sequence as confidence_sequence,
    decide as decide,
    frequency as frequency,
)
from grokverify.stats._interim import blocks as blocks, interim as interim
from grokverify.stats._mean import (
    decide_mean as decide_mean,
    exceeds as exceeds,
    mean_sequence as mean_sequence,
)
from grokverify.stats._power import Counted as Counted, power as power
from grokverify.stats._trend import monotone as monotone, monotone_signs as monotone_signs
from grokverify.stats._two_sample import (
    energy_p_value as energy_p_value,
    pair_products as pair_products,
    same_law as same_law,
)
