"""Another selector in every layer, chosen on other text: layers differ in which signature finds their attention."""

from collections.abc import Mapping, Sequence

from prism_photonics.ranking.selectors import Selector
from prism_photonics.units import InputError


class PerLayer(Selector):
    """The selector of each layer.

    Attributes:
        of_layer: One per layer; the same may stand several times.
    """

    def __init__(self, name: str, of_layer: Sequence[Selector]):
        kinds = {(each.evidence, each.trained) for each in of_layer}
        if len(kinds) != 1:
            raise InputError(
                f"{name}: got selectors that need {sorted(kinds)}, want one kind in all layers; choose among others"
            )
        self.name, self.of_layer = name, tuple(of_layer)
        self.evidence, self.trained = of_layer[0].evidence, of_layer[0].trained

    def require_block(self, block):
        """See ``Selector.require_block``."""
        for each in dict.fromkeys(self.of_layer):
            each.require_block(block)

    def sign(self, keys, valid, place):
        """See ``Selector.sign``."""
        return self._of(place.layer).sign(keys, valid, place)

    def score(self, queries, signatures, layer, evidence=None):
        """See ``Selector.score``."""
        return self._of(layer).score(queries, signatures, layer, evidence)

    def choose(self, scores, k, candidates):
        """See ``Selector.choose``."""
        return self.of_layer[0].choose(scores, k, candidates)

    def fit(self, keys, queries, *, layer, block, scaling=None, softcap=None):
        """See ``Selector.fit``."""
        self._of(layer).fit(keys, queries, layer=layer, block=block, scaling=scaling, softcap=softcap)

    def restart(self, number):
        """See ``Selector.restart``."""
        for each in dict.fromkeys(self.of_layer):
            each.restart(number)

    def cost(self, blocks, *, dims, block):
        """The mean over the layers."""
        each = [selector.cost(blocks, dims=dims, block=block) for selector in self.of_layer]
        return {name: sum(one[name] for one in each) / len(each) for name in each[0]}

    def _of(self, layer: int) -> Selector:
        if not layer < len(self.of_layer):
            raise InputError(
                f"{self.name}: got layer {layer}, want one below {len(self.of_layer)}; fit it on this model"
            )
        return self.of_layer[layer]


def best_of_layers(name: str, among: Mapping[str, Selector], recall: Mapping[str, Sequence[float]]) -> PerLayer:
    """In every layer the selector that recalled most, on text that the table does not ask about.

    Args:
        name: Name of the row.
        among: Selectors by name.
        recall: Recall of each, by layer, as ``pretrained.by_layer.recall_by_layer`` measures it; those without are out.

    Returns:
        The selector.
    """
    layers = len(next(iter(recall.values())))
    return PerLayer(name, [among[max(recall, key=lambda each: recall[each][layer])] for layer in range(layers)])
