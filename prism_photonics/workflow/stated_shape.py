"""The shape of a language model whose configuration states all of it, read without any library.

Importing transformers takes seconds; most files need none of its defaults.
"""

from collections.abc import Mapping
from typing import Any

from prism_photonics.budget.workload import ModelShape

_NO_WINDOW = {"llama"}
_WINDOW_IF_USED = {"qwen2", "qwen3"}
"""A window counts where ``use_sliding_window`` says so."""
_WINDOW_IF_STATED = {"mistral", "mixtral", "phi3"}
"""What a file leaves out may be a window, by the type's default."""
_HEAD_OF_HIDDEN = {"llama", "qwen2", "mistral", "mixtral", "phi3"}
"""A head's dimensions are the model's, shared out, where the file gives no others."""
_SIZES = (
    *("num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    *("hidden_size", "max_position_embeddings"),
)
_ELSEWHERE = {
    *("layer_types", "attention_layers", "text_config", "decoder", "generator"),
    *("kv_lora_rank", "multi_query", "num_kv_heads"),
}
"""Names by which a file may say more, or otherwise, than its sizes do; null says nothing."""
MOST = 1_000_000
"""Of any size that a file may state: more would fill the memory before it is refused (design choice)."""


def stated_shape(content: Mapping[str, Any], place: str) -> ModelShape | None:
    """The shape, where the file leaves nothing to its type's defaults and every layer attends to everything.

    Args:
        content: The file's content.
        place: Its name.

    Returns:
        What transformers would say of it; none where only that can tell.
    """
    kind = content.get("model_type")
    if not isinstance(kind, str) or kind not in _NO_WINDOW | _WINDOW_IF_USED | _WINDOW_IF_STATED:
        return None
    if any(content.get(name) is not None for name in _ELSEWHERE):
        return None
    if not all(isinstance(content.get(name, {}), dict | None) for name in ("rope_scaling", "rope_parameters")):
        return None
    unused = content.get("use_sliding_window", False) is False and isinstance(content.get("sliding_window"), int | None)
    if kind in _WINDOW_IF_USED and not unused:
        return None
    if kind in _WINDOW_IF_STATED and content.get("sliding_window", 0) is not None:
        return None
    if kind in _NO_WINDOW and "sliding_window" in content:
        return None
    named = [content.get(name) for name in _SIZES]
    if not all(type(value) is int and 0 < value <= MOST for value in named):
        return None
    layers, heads, kv_heads, hidden, longest = (int(value) for value in named if value is not None)
    head_dim = content.get("head_dim")
    if head_dim is None and kind in _HEAD_OF_HIDDEN:
        head_dim = hidden // heads
    if hidden % heads or heads % kv_heads or type(head_dim) is not int or not 0 < head_dim <= MOST:
        return None
    return ModelShape(place, layers, 0, kv_heads, heads, head_dim, head_dim, longest)
