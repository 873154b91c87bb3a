"""Rotary positions: turning keys and queries to their place, and back.

Source: RoFormer, arXiv 2104.09864; dimensions i and i + d/2 are one pair, as in Llama.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from prism_photonics.ranking.heads import heads_of
from prism_photonics.units import InputError


def frequencies(model: Any) -> Float[Tensor, " pairs"]:
    """Angle per token of each pair of a model's key dimensions, in rad.

    Raises:
        InputError: Positions that are not plain rotary ones over all dimensions.
    """
    config = model.config.get_text_config(decoder=True)
    parameters = getattr(config, "rope_parameters", None) or {}
    dims = heads_of(config).dims
    kind, share = parameters.get("rope_type", "default"), parameters.get("partial_rotary_factor", 1.0)
    if "rope_theta" not in parameters or kind != "default" or share != 1.0:
        raise InputError(
            f"model {type(model).__name__}: got positions of the kind '{kind}', want plain rotary ones over all "
            "dimensions; a distilled signature is for Llama, Qwen and their like"
        )
    return parameters["rope_theta"] ** -(torch.arange(0, dims, 2).double() / dims).float()


def turned(
    values: Float[Tensor, "*batch tokens dims"],
    place: Float[Tensor, "*places tokens"],
    frequency: Float[Tensor, " pairs"],
) -> Float[Tensor, "*batch tokens dims"]:
    """Keys or queries at their place; with the place negated, as they were before.

    Args:
        values: Vectors.
        place: Token index of each, broadcast against them.
        frequency: Angle per token of each pair, rad.
    """
    angle = place[..., None] * frequency
    cos, sin = angle.cos(), angle.sin()
    first, second = values.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)
