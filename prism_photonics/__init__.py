"""PRISM: device-physics models of a thin-film lithium niobate microring chip that ranks KV-cache blocks.

The rooms follow the light and the work: ``process`` → ``lightpath`` → ``spec`` → ``netlist`` → ``circuit`` |
``budget`` | ``layout`` → ``chip`` → ``calibrate`` → ``program`` → ``behavior`` → ``export`` → ``rank`` → ``report``.
"""

import os
import sys

__version__ = "0.2.0"

# Phases of thousands of radians are compared to 1e-9, so everything runs in double precision. JAX reads the
# variable when it is imported; importing JAX here would make `prism --help` and `prism_photonics.ranking` slow.
os.environ.setdefault("JAX_ENABLE_X64", "1")
if "jax" in sys.modules:
    sys.modules["jax"].config.update("jax_enable_x64", True)
