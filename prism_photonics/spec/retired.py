"""Keys that specs of before had and that no chip depends on: refused in a spec's file, read where a record holds them.

The usual value of such a key still counts in `ChipSpec.hash`. So the hash of a chip stays what is drawn on its mask and
written in its records, trimmings and journals, most of which hold nothing of the spec but its hash.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Retired:
    """A key that went.

    Attributes:
        usual: Value of its default and of all specs that shipped; the hash still counts it.
        cure: What to do instead, as the end of a complaint.
    """

    usual: Any
    cure: str


RETIRED: Mapping[str, Mapping[str, Retired]] = {
    "system": {
        "kv_heads_per_chip": Retired(
            112,
            "take the line out: KV heads come from a model (prism budget --model config.json), without one they are "
            "Qwen2.5-7B's 112",
        )
    }
}
"""By table and key."""


def cure_of(table: str, key: str) -> str | None:
    """What to do instead of a key that went; none of any other key."""
    found = RETIRED.get(table, {}).get(key)
    return None if found is None else found.cure


def told(text: str) -> dict[str, dict[str, Any]]:
    """By table, the keys that went which a spec as JSON still holds, with their values.

    Raises:
        ValueError: It is no JSON.
    """
    content = json.loads(text)
    tables = content if isinstance(content, dict) else {}
    return {
        table: {key: tables[table][key] for key in keys if key in tables[table]}
        for table, keys in RETIRED.items()
        if isinstance(tables.get(table), dict)
    }


def without(text: str) -> Any:
    """Content of a spec as JSON, without the keys that went.

    Raises:
        ValueError: It is no JSON.
    """
    content = json.loads(text)
    for table, keys in told(text).items():
        content[table] = {key: value for key, value in content[table].items() if key not in keys}
    return content


def restored(content: Mapping[str, Any], said: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A spec's content with the keys that went, as it was hashed when they were there.

    Args:
        content: Tables and keys of now.
        said: `told` of the spec; what it leaves out is as usual.
    """
    usual = {table: {key: one.usual for key, one in keys.items()} for table, keys in RETIRED.items()}
    return {**content} | {table: {**content[table], **keys, **said.get(table, {})} for table, keys in usual.items()}
