"""The query modulators as they are specified: off chip, one per channel, before the edge coupler."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModulatorDesign:
    """Intensity modulators that write the query on the comb lines.

    Attributes:
        loss_dB: Insertion loss at full transmission, a positive number.
        dac_bits: Resolution of the transmitted power between dark and full.
        encoding: How a signed query becomes light: a key of ``encoding.SHOTS``.
    """

    loss_dB: float
    dac_bits: int
    encoding: str
