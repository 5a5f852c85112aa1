"""Which parameters learn: `train.tuning`."""

from stages.interfaces import Tuning
from stages.tuning.bitfit import BitFit
from stages.tuning.frozen import Frozen
from stages.tuning.full import Full

TUNING: dict[str, type[Tuning]] = {"full": Full, "frozen": Frozen, "bitfit": BitFit}
