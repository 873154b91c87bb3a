"""What is told of a spec that is refused: the gravest complaint, as one line with its cure."""

from pydantic import BaseModel, ValidationError

from prism_photonics.files.complaint import gravest, place_of, table_holding, wrong_value
from prism_photonics.files.fields import shown
from prism_photonics.spec.retired import cure_of
from prism_photonics.units import nearest


def explain(error: ValidationError, spec: type[BaseModel]) -> str:
    """The gravest complaint of a validation, as one line: where, got, want, cure.

    Args:
        error: What pydantic raised.
        spec: The model of the whole file.
    """
    first = gravest(error)
    place = place_of(first)
    if first["type"] == "extra_forbidden":
        table = table_holding(spec, first["loc"])
        key = str(first["loc"][-1])
        if cure := cure_of(".".join(str(part) for part in first["loc"][:-1]), key):
            return f"{shown(place)} is a key no more; {cure}"
        owners = [
            name
            for name, field in spec.model_fields.items()
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
            if key in field.annotation.model_fields
        ]
        if key not in spec.model_fields and owners and table is not spec:
            return f"unknown key {shown(place)}; '{key}' belongs to {' or '.join(f'[{name}]' for name in owners)}"
        return f"unknown key {shown(place)}; {nearest(key[:100], table.model_fields)}"
    if first["type"] == "missing":
        is_table = len(first["loc"]) == 1 and spec.model_fields[place].annotation is not str
        kind = f"table [{place}]" if is_table else f"key '{place}'"
        return f"missing {kind}; add it (the shipped demo_8x8 shows every key)"
    if first["type"] == "value_error":
        return f"{place + ': ' if place else ''}{first['msg'].removeprefix('Value error, ')}"
    return f"{wrong_value(first, shown(first['input']))}; mend the value ({_meaning(first['loc'], spec)})"


def _meaning(location: tuple[int | str, ...], spec: type[BaseModel]) -> str:
    """Description of a key for an error message, or the remark that its name tells its unit."""
    table = spec
    for part in location[:-1]:
        annotation = table.model_fields[str(part)].annotation if str(part) in table.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        table = annotation
    field = table.model_fields.get(str(location[-1]))
    return (field.description if field else None) or "its unit is in the key"
