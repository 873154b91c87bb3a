"""A language model's shape, read from its Hugging Face configuration."""

import json
from pathlib import Path
from typing import Any

from prism_photonics.budget.workload import ModelShape
from prism_photonics.extras import asked_by
from prism_photonics.files.fields import shown
from prism_photonics.ranking.heads import heads_of
from prism_photonics.ranking.pretrained.place import NAME, fetched_folder
from prism_photonics.units import InputError
from prism_photonics.workflow.stated_shape import MOST, stated_shape

_WHOLE = {"full_attention", "attention", "hybrid", "global"}
"""Kinds of layers that attend to the whole context, as `transformers` calls them: hybrid ones beside a recurrence."""
_WINDOW = "sliding_attention"
_LEAST = dict.fromkeys(
    (
        *("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "num_kv_heads"),
        *("head_dim", "v_head_dim", "hidden_size", "kv_lora_rank"),
    ),
    1,
) | {"qk_rope_head_dim": 0}
"""Sizes, and the least that each may be."""


def read_model(path: str | Path) -> ModelShape:
    """What the ranking of a model's KV cache depends on, from its ``config.json``.

    Defaults that a file leaves out are those of its model type, which transformers knows; a file of a usual type that
    states everything is read without it. Layers with a sliding window, with chunks, with an
    index of the model's own, or without attention are counted apart: they rank nothing. Of a model with latent
    attention all heads share one key.

    Args:
        path: The file, or the folder that holds it; "smollm2" is the model that 'prism lm fetch' gets. No code that a
            file names is run.

    Raises:
        InputError: The file cannot be read, the model was not fetched, the file names no known type of model, or none
            of its layers ranks.
    """
    place = Path(path)
    if str(path) == NAME and not place.exists():
        place = fetched_folder()
    place = place / "config.json" if place.is_dir() else place
    try:
        content = json.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{place}: {error.strerror or error}; want a Hugging Face model's config.json; nothing is fetched"
        ) from None
    except (ValueError, RecursionError):
        raise InputError(f"{place}: it is no JSON; want the config.json of a Hugging Face model") from None
    stated = stated_shape(content, str(place)) if isinstance(content, dict) else None
    return stated or _with_defaults(content, str(place))


def _with_defaults(content: Any, place: str) -> ModelShape:
    kind = content.get("model_type") if isinstance(content, dict) else None
    with asked_by("prism plan"):
        from transformers import CONFIG_MAPPING, __version__
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        raise InputError(
            f"{place}: model_type = {shown(kind)} is none that transformers {__version__} knows; want the config.json "
            "of a Hugging Face model, or a newer transformers"
        )
    _require_sizes(content, place)
    try:
        config = CONFIG_MAPPING[kind].from_dict(content).get_text_config(decoder=True)
        return _shape(config, place)
    except InputError:
        raise
    except Exception as error:  # whatever its checks raise of a file's numbers
        told = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{place}: transformers refuses it ({told}); mend the file") from None


def _require_sizes(content: Any, place: str) -> None:
    """Refuse sizes that no model has, by name.

    Of so many layers transformers would first fill the memory with a list of their kinds. A zero it takes for left out,
    or divides by.
    """
    for part in (content, content.get("text_config")):
        sizes = {name: part.get(name) for name in _LEAST} if isinstance(part, dict) else {}
        for name, value in sizes.items():
            least = _LEAST[name]
            if isinstance(value, int | float) and not (least <= value <= MOST and value == int(value)):
                raise InputError(_whole_number(name, value, place, least=least))


def _whole_number(name: str, value: Any, place: str, *, least: int = 1) -> str:
    return f"{place}: {name} = {shown(value)}; want a whole number from {least} to {MOST}; mend the file"


def _shape(config: Any, place: str) -> ModelShape:
    layers, heads = config.num_hidden_layers, heads_of(config)
    window, longest = getattr(config, "sliding_window", None), getattr(config, "max_position_embeddings", None)
    # GPT-Neo has a name of its own for the kinds of its layers.
    kinds = getattr(config, "layer_types", None) or getattr(config, "attention_layers", None)
    kinds = kinds or [_WINDOW if window else "full_attention"] * layers
    # A window that the longest context fits in leaves nothing out: Phi-3's of 256k tokens, for 128k.
    all_seen = window is not None and longest is not None and window >= longest
    whole = sum(kind in _WHOLE or (all_seen and kind == _WINDOW) for kind in kinds)
    head_dim, kv_heads = heads.dims, heads.kv
    value_dim = getattr(config, "v_head_dim", None) or head_dim
    if getattr(config, "kv_lora_rank", None):
        kv_heads, head_dim, value_dim = 1, config.kv_lora_rank + config.qk_rope_head_dim, 0
    elif getattr(config, "multi_query", False) and not getattr(config, "new_decoder_architecture", False):
        kv_heads = 1
    elif getattr(config, "num_kv_heads", None):
        kv_heads = config.num_kv_heads
    numbers = {
        "num_hidden_layers": layers,
        "num_attention_heads": heads.query,
        "KV heads": kv_heads,
        "head_dim": head_dim,
        "v_head_dim": value_dim or head_dim,
    }
    for name, value in numbers.items():
        if not isinstance(value, int) or not 0 < value <= MOST:
            raise InputError(_whole_number(name, value, place))
    if heads.query % kv_heads:
        raise InputError(
            f"{place}: {heads.query} query heads do not share {kv_heads} KV heads evenly; want a divisor; mend the file"
        )
    if not whole:
        raise InputError(
            f"{place}: none of its {layers} layers attends to the whole context (windows, chunks, an index of the "
            "model's own, or no attention); there is nothing to rank"
        )
    made_for = longest if isinstance(longest, int) and longest > 0 else 0
    return ModelShape(place, whole, layers - whole, kv_heads, heads.query, head_dim, value_dim, made_for)
