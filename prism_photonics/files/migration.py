"""Files of earlier versions: what was written by the schema before is brought up to date as it is read.

A schema is a name and a number, ``prism_photonics.record/5``. Each step takes a file's content from one number to the
next; what is older than the first step or newer than this version is refused in one line.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from prism_photonics.files.fields import shown
from prism_photonics.units import InputError


def migrated[Content](
    source: str,
    found: Any,
    wanted: str,
    content: Content,
    *,
    steps: Mapping[int, Callable[[Content], Content]],
    cure: str,
    former: str = "",
) -> Content:
    """A file's content as the current schema has it.

    Args:
        source: The file, as messages name it.
        found: The schema that the file names.
        wanted: The current one.
        content: Content as read.
        steps: From each older number that is still read to the number after it.
        cure: How such a file is made anew.
        former: The name that the schema had in older versions; its numbers go on.

    Returns:
        The content, changed by every step from its number to the current one.

    Raises:
        InputError: Another kind of file, one that is older than the first step, or one that is newer.
    """
    name, _, current = wanted.rpartition("/")
    names = "|".join(re.escape(each) for each in (name, former) if each)
    match = re.fullmatch(rf"(?:{names})/(\d{{1,6}})", found) if isinstance(found, str) else None
    if match is None:
        raise InputError(f"{source}: schema {shown(found)}, this version reads {wanted!r}; {cure}")
    number = int(match[1])
    if number > int(current):
        raise InputError(
            f"{source}: schema {found!r} is newer than {wanted!r}, which this version writes; update prism_photonics"
        )
    for step in range(number, int(current)):
        if step not in steps:
            oldest = min((n for n in steps if n > step), default=int(current))
            raise InputError(
                f"{source}: schema {found!r} is older than '{name}/{oldest}', the oldest that this version reads; "
                f"{cure}"
            )
        content = steps[step](content)
    return content
