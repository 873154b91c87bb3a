"""The query modulators as they are specified: off chip, one per channel, before the edge coupler."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModulatorDesign:
    """Intensity modulators that write the query on the comb lines.

    Attributes:
        loss_dB: Insertion loss at full transmission, a positive number.
        extinction_dB: Full over dark transmission.
        v_pi_V: Drive from dark to full.
        dac_bits: Codes of the drive from dark to full.
        dac_inl_lsb: Largest integral nonlinearity of the drive, in codes.
        encoding: How a signed query becomes light: a key of ``encoding.SHOTS``.
    """

    loss_dB: float
    extinction_dB: float
    v_pi_V: float
    dac_bits: int
    dac_inl_lsb: float
    encoding: str

    @property
    def leak(self) -> float:
        """Dark transmission in units of the swing from dark to full: ``ε/(1 − ε)``."""
        dark = 10.0 ** (-self.extinction_dB / 10.0)
        return dark / (1.0 - dark)
