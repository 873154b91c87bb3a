"""Keys as signs on a rotated sphere: one bit per dimension, without training, drift or centroids that grow old.

A key over its norm is turned by a fixed random rotation; the signs of each few of its coordinates name the nearest of
the corners of a cube, which are centroids that no text has to be known for. The product with a query is that of the
query and the corner, times the key's norm. A block is worth its best token.

Source: the rotation and the analytic centroids are those of ParisKV, arXiv 2602.07721, read as a digest; its vote of
collisions, by which candidates are found before they are ranked, is left out, and tokens are fetched by blocks.
"""

import torch

from prism_photonics.ranking.centre import widened_keys, widened_queries
from prism_photonics.ranking.features import sketch
from prism_photonics.ranking.selectors import Selector


class SignCodes(Selector):
    """One bit per rotated dimension and a norm of 16 bits for every token.

    Attributes:
        seed: Seed of the rotation.
    """

    def __init__(self, name: str = "sign_codes", *, seed: int = 0):
        self.name, self.seed = name, seed
        self._rotations: dict[int, torch.Tensor] = {}

    def sign(self, keys, valid, place):
        """The corner of every token times its norm, over the root of the dimensions; NaN for padding."""
        turned = widened_keys(keys, valid, place.layer) @ self._rotation(keys.shape[-1])
        # A corner has the length √dims; along it lies about √(2/π) of a random direction.
        norm = turned.norm(dim=-1, keepdim=True).half().to(turned) * turned.shape[-1] ** -0.5
        corner = torch.where(turned < 0, -norm, norm)
        return corner.masked_fill(~valid[:, None, :, :, None], torch.nan).flatten(3)

    def score(self, queries, signatures, layer, evidence=None):
        """The largest product of a block's tokens with the summed query."""
        dims = queries.shape[-1]
        turned = sketch(widened_queries(queries, layer), signatures.shape[1]) @ self._rotation(dims)
        products = turned @ signatures.unflatten(3, (-1, dims)).flatten(2, 3).mT
        products = torch.where(products.isnan(), -torch.inf, products)
        return products.unflatten(-1, (signatures.shape[2], -1)).amax(-1)

    def cost(self, blocks, *, dims, block):
        """A bit per dimension and a 16-bit norm of every token."""
        return {"signature_bytes": blocks * block * (dims / 8 + 2.0), "pages": 0.0, "passes": 0.0}

    def _rotation(self, dims: int) -> torch.Tensor:
        if dims not in self._rotations:
            drawn = torch.randn(dims, dims, generator=torch.Generator().manual_seed(self.seed))
            self._rotations[dims] = torch.linalg.qr(drawn).Q
        return self._rotations[dims]
