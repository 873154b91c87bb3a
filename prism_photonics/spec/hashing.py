"""The hash that names a chip: on its mask, in its records, and in whatever was made from them."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from prism_photonics.lightpath.sparameters import SParameters
from prism_photonics.process.profile import Profile
from prism_photonics.spec.parts import digest
from prism_photonics.spec.retired import restored


def hash_of(
    fields: Mapping[str, Any],
    profile: Profile,
    given: Mapping[str, SParameters],
    retired: Mapping[str, Mapping[str, Any]],
) -> str:
    """SHA-256 over every field of a spec, the film's numbers, and the parts that are given by file.

    Args:
        fields: The spec's tables, as plain data.
        profile: Its film.
        given: Scattering parameters by the spec's table.
        retired: What its file told of keys that went (`spec.retired.told`).
    """
    content = {"spec": restored(fields, retired), "profile": profile.model_dump(mode="json")}
    # Where a measured profile lies is no part of the chip; its numbers are.
    content["spec"]["process"] = content["profile"]["name"]
    for table, part in given.items():
        content["spec"][table] = {**content["spec"][table], "sparameters": digest(part), "on_fault": "refuse"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
