"""The bundle: a behavioral model as a folder of safetensors and JSON, and readers that need no JAX.

``export.write.write`` makes one from the JAX model, ``export.read.load`` reads it with NumPy,
``export.torch.PhotonicSelector`` is the same arithmetic as a torch module, ``export.jax.load_jax`` the model again.
"""

from prism_photonics.export.read import Bundle, load

__all__ = ["Bundle", "load"]
