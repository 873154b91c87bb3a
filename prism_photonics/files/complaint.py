"""What is told of a file that a pydantic model refuses: one complaint of many, and the keys that its table knows."""

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


def gravest(error: ValidationError) -> ErrorDetails:
    """The complaint to tell: a misspelled key is also a missing one, and naming the misspelling is what helps."""
    return min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")


def place_of(found: ErrorDetails) -> str:
    """Where a complaint is, as its keys with dots between them."""
    return ".".join(str(part) for part in found["loc"])


def wrong_value(found: ErrorDetails, shown: str) -> str:
    """A complaint on a value, as it is shown: where, got, want."""
    return f"{place_of(found)} = {shown}: {found['msg'][0].lower()}{found['msg'][1:]}"


def table_holding(model: type[BaseModel], loc: tuple[int | str, ...]) -> type[BaseModel]:
    """The model of the table that a key is in.

    Args:
        model: Model of the whole file.
        loc: Place of the key, itself the last part.
    """
    table = model
    for part in loc[:-1]:
        annotation = table.model_fields[str(part)].annotation
        assert isinstance(annotation, type) and issubclass(annotation, BaseModel)
        table = annotation
    return table
